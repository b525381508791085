"""Ratings of a fitted U-BERT, and its folder. B requests, K reviews, T words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from p5rec.core.artefacts import Lineage, read_json, write_json
from p5rec.core.types import NOBODY, Histories, check_rows
from p5rec.models.ubert import FineTuningNetwork, Pairs, PretrainingNetwork, UbertShape

from ...arrays import load_arrays, save_arrays
from ...baselines.iterative import EPOCHS
from .reviews import Reviews
from .settings import WORDS, PretrainingSettings, UbertSettings

BATCH = 32  # pairs per forward pass
NETWORK, REVIEWS = "network.", "reviews."


@dataclass(frozen=True)
class Words:
    """The names behind numbers.

    Attributes:
        words: the vocabulary by word number; the special numbers come first, as empty words.
        domains: names of the domains, the first target first; one without a name if the data do
            not tell domains apart.
    """

    words: tuple[str, ...]
    domains: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> Words:
        """The names in ``folder``."""
        return cls(**{name: tuple(each) for name, each in read_json(folder / WORDS).items()})


@dataclass(frozen=True, eq=False)
class UbertPredictor:
    """Predicts ratings from the training reviews of users and items.

    Attributes:
        network: either network, in evaluation mode.
        reviews: the reviews that it reads.
        scale: ``(2,)`` float64, mean and standard deviation of its training ratings.
        user_keys: ``(U,)`` uint64, keys of the users' external ids.
        names: vocabulary and domains.
        epochs: the length of the training.
        lineage: the training events.
    """

    network: PretrainingNetwork | FineTuningNetwork
    reviews: Reviews
    scale: np.ndarray
    user_keys: np.ndarray
    names: Words
    epochs: int = 0
    lineage: Lineage | None = None

    @torch.no_grad()
    def predict_rating(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.PredictsRatings`; it reads the users of histories.

        All batches have one shape, so a prediction does not depend on the other requests.

        Raises:
            ValueError: user or item rows outside the data.
        """
        check_rows("user", histories.users, len(self.user_keys), NOBODY)
        check_rows("item", items, len(self.reviews.of_items))
        ratings = np.zeros(len(items), dtype=np.float32)
        for at in range(0, len(items), BATCH):
            rows = np.arange(at, min(at + BATCH, len(items)))
            padded = np.resize(rows, BATCH)
            pairs = pairs_of(self.reviews, histories.users[padded], items[padded])
            ratings[rows] = self.network.rate(pairs).numpy()[: len(rows)]
        mean, deviation = self.scale
        return (mean + deviation * ratings).astype(np.float32)

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`."""
        weights = self.network.state_dict().items()
        own = {"scale": self.scale, "user_keys": self.user_keys}
        save_arrays(
            folder,
            {
                **{NETWORK + name: weight.numpy() for name, weight in weights},
                **{REVIEWS + name: array for name, array in vars(self.reviews).items()},
                **own,
                EPOCHS: np.array([self.epochs]),
            },
        )
        write_json(folder / WORDS, vars(self.names))


def load(method: UbertSettings, folder: Path) -> UbertPredictor:
    """The predictor that :meth:`UbertPredictor.save` wrote."""
    arrays, names = load_arrays(folder), Words.read(folder)
    reviews = Reviews(**_below(REVIEWS, arrays))
    weights = {name: torch.from_numpy(each) for name, each in _below(NETWORK, arrays).items()}
    shape = shape_of(method, names, len(reviews.of_users) - 1, len(reviews.of_items))
    network: PretrainingNetwork | FineTuningNetwork = (
        PretrainingNetwork(shape, torch.zeros_like(weights["opinions"]))
        if isinstance(method, PretrainingSettings)
        else FineTuningNetwork(shape)
    )
    network.load_state_dict(weights)
    network.requires_grad_(False).eval()
    epochs = int(arrays[EPOCHS][0])
    return UbertPredictor(network, reviews, arrays["scale"], arrays["user_keys"], names, epochs)


def _below(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {n.removeprefix(prefix): each for n, each in arrays.items() if n.startswith(prefix)}


def shape_of(method: UbertSettings, names: Words, users: int, items: int) -> UbertShape:
    """The sizes of the networks of ``method``."""
    return UbertShape(
        users=users,
        items=items,
        domains=len(names.domains),
        words=len(names.words),
        length=method.max_words,
        width=method.width,
        layers=method.layers,
        heads=method.heads,
        dropout=method.dropout,
    )


def pairs_of(
    reviews: Reviews, users: np.ndarray, items: np.ndarray, *, distinct: bool = False
) -> Pairs:
    """The input of the networks for ``users (B,)`` and ``items (B,)``.

    Args:
        reviews: of users and items.
        users: -1: an unknown user.
        items: their items.
        distinct: encode each review once; else once for each pair, so that shapes do not depend
            on the pairs.
    """
    of_users, of_items = reviews.of_pairs(users, items)
    rows = np.concatenate([of_users, of_items])
    at = np.arange(rows.size).reshape(rows.shape)
    read = rows.ravel()
    if distinct:
        read, at = np.unique(rows, return_inverse=True)
    numbers = np.where(users < 0, len(reviews.of_users) - 1, users).astype(np.int64)
    own, other = np.split(at.reshape(rows.shape), 2)
    return Pairs(
        *map(torch.from_numpy, (numbers, items.astype(np.int64), reviews.words[read], own, other))
    )
