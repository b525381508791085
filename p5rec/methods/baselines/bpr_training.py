"""BPR: matrix factorisation that ranks a user's items above other items (Rendle et al. 2009,
arXiv:1205.2618).

E training events, U users, N items, D factors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import derive_seed, keyed, tie_order
from p5rec.core.types import NOBODY, Histories, Interactions, Split, check_rows

from ..arrays import load_arrays, save_arrays
from . import fitting
from .iterative import EPOCHS, BprSettings
from .scorer import ItemScorer

INIT_STD = 0.1  # of the factors
REDRAWS = 3  # of negatives that the user interacted with; few remain


class Factors(nn.Module):
    """Scores ``user . item + bias`` of the item."""

    def __init__(self, n_users: int, n_items: int, width: int) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(n_users, width), nn.Embedding(n_items, width)
        self.bias = nn.Embedding(n_items, 1)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=INIT_STD)
        nn.init.zeros_(self.bias.weight)

    def loss(self, users: Tensor, positives: Tensor, negatives: Tensor, l2: float) -> Tensor:
        """The mean over ``(B,)`` triples of ``-ln sigmoid`` of the margin, plus the penalty."""
        user, positive, negative = self.users(users), self.items(positives), self.items(negatives)
        bias = (self.bias(positives) - self.bias(negatives))[:, 0]
        margin = (user * (positive - negative)).sum(1) + bias
        squares = user.square().sum(1) + positive.square().sum(1) + negative.square().sum(1)
        return (F.softplus(-margin) + l2 * squares).mean()


@dataclass(frozen=True, eq=False)
class BprPredictor(ItemScorer):
    """Ranks by factors; a user without training events gets the most popular items.

    Attributes:
        factors: of users and items.
        counts: ``(N,)`` float32 training events of each item.
        known: ``(U,)`` bool: users with training events.
        tie: ``(N,)`` tie order.
        epochs: the length of the training.
        lineage: the training events.
    """

    factors: Factors
    counts: np.ndarray
    known: np.ndarray
    tie: np.ndarray
    epochs: int = 0
    lineage: Lineage | None = None

    def scores(self, histories: Histories) -> np.ndarray:
        """See :class:`.scorer.ItemScorer`; it reads the users of histories."""
        check_rows("user", histories.users, len(self.known), NOBODY)
        users, items, bias = (table.detach().numpy() for table in self.factors.parameters())
        scores = fitting.products(users[histories.users], items) + bias[:, 0]
        scores[~np.append(self.known, False)[histories.users]] = self.counts
        return scores

    def item_vectors(self) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.EmbedsItems`: factors alone, no biases."""
        factors = self.factors.items.weight.detach().numpy()
        return np.where(self.counts[:, None] > 0, factors, np.float32(np.nan))

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`."""
        tables = {f"factors.{k}": v.numpy() for k, v in self.factors.state_dict().items()}
        own = {"counts": self.counts, "known": self.known, "tie": self.tie}
        save_arrays(folder, {**own, EPOCHS: np.array([self.epochs]), **tables})


def load(folder: Path) -> BprPredictor:
    """The predictor that :meth:`BprPredictor.save` wrote."""
    arrays = load_arrays(folder)
    own = {name: arrays.pop(name) for name in ("counts", "known", "tie")}
    epochs = int(arrays.pop(EPOCHS)[0])
    tables = {k.removeprefix("factors."): torch.from_numpy(v) for k, v in arrays.items()}
    users, items = tables["users.weight"], tables["items.weight"]
    factors = Factors(len(users), len(items), users.shape[1]).requires_grad_(False)
    factors.load_state_dict(tables)
    return BprPredictor(factors, **own, epochs=epochs)


def fit(method: BprSettings, interactions: Interactions, split: Split) -> BprPredictor:
    """Trains on triples: a training event of a target behaviour and a sampled negative.

    Negatives are items without a training event of the user, sampled in each epoch.
    """
    train = split.mask("train")
    targets = train & interactions.is_target
    users, items = (
        torch.from_numpy(rows[targets].astype(np.int64))
        for rows in (interactions.users, interactions.items)
    )
    n_users, n_items = interactions.n_users, interactions.n_items
    pairs = interactions.users[train].astype(np.int64) * n_items + interactions.items[train]
    known_pairs, keys = np.unique(pairs), interactions.event_keys[targets]
    batch = int(np.clip(len(users) // 10, 1, method.batch))
    with fitting.seeded(split.seed, "bpr"):
        model = Factors(n_users, n_items, method.factors)
        copy, mean = fitting.with_average(model, method.ema_epochs * len(users) / batch)
        fitted = BprPredictor(
            copy,
            np.bincount(items, minlength=n_items).astype(np.float32),
            np.bincount(users, minlength=n_users) > 0,
            tie_order(interactions.item_keys, split.seed),
            lineage=Lineage(interactions.event_keys[train]),
        )
        optimizer = torch.optim.Adam(model.parameters(), lr=method.learning_rate, fused=True)

        def losses(n: int) -> Iterator[Tensor]:
            seed = derive_seed(split.seed, "bpr negatives", n)
            negatives = _sampled_negatives(users, n_items, known_pairs, keys, seed)
            for rows in torch.randperm(len(users)).split(batch):
                yield model.loss(users[rows], items[rows], negatives[rows], method.l2)

        epochs = fitting.train(
            copy,
            lambda n: fitting.updates(losses(n), optimizer, mean),
            fitting.validation_metric(lambda: fitted, interactions, split),
            epochs=method.epochs,
            patience=method.patience,
            name="bpr",
        )
    return replace(fitted, epochs=epochs)


def _sampled_negatives(
    users: Tensor, n_items: int, known_pairs: np.ndarray, keys: np.ndarray, seed: int
) -> Tensor:
    """``(E,)`` a sampled item for each event, without training events of its user.

    Args:
        users: ``(E,)`` the events' users.
        n_items: N.
        known_pairs: ``user * N + item`` of the training events, ascending.
        keys: ``(E,)`` uint64 of the events; a sample depends on its event's key.
        seed: of the samples.
    """
    first = users.numpy() * n_items

    def items(rows: np.ndarray | slice, redraw: int) -> np.ndarray:
        return (keyed(keys[rows], seed, redraw) % np.uint64(n_items)).astype(np.int64)

    sampled = items(slice(None), 0)
    for redraw in range(1, REDRAWS + 1):
        pairs = first + sampled
        nearest = np.searchsorted(known_pairs, pairs).clip(max=len(known_pairs) - 1)
        again = np.flatnonzero(known_pairs[nearest] == pairs)
        sampled[again] = items(again, redraw)
    return torch.from_numpy(sampled)
