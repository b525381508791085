"""What the baselines that are trained pass by pass share: when to stop, and scores out of vectors.

B requests, N items, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import TypeVar

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from p5rec.core.patience import Patience
from p5rec.core.progress import open_bar
from p5rec.core.rng import derive_seed, sampled
from p5rec.core.types import Interactions, Split
from p5rec.data.split import cases
from p5rec.models.averages import RunningMean

from ..predictors import Recommends
from ..tune import by_ranking

VALIDATED = 5000  # users that are looked at after each pass, at most

Network = TypeVar("Network", bound=nn.Module)


@contextmanager
def drawn_under(seed: int, *names: str) -> Iterator[None]:
    """Torch's draws inside are those of ``seed`` and ``names``; sums are those of one thread.

    Sums over several threads are rounded differently, and then the lists differ.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1), torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, *names))
            yield
    finally:
        torch.set_num_threads(threads)


def on_validation(
    recommender: Callable[[], Recommends], interactions: Interactions, split: Split
) -> Callable[[], float] | None:
    """NDCG@10 of a recommender that is still being trained; None where nothing validates.

    Asked about are the last validation items, or the validation baskets, of a seeded draw of
    ``VALIDATED`` users, whose histories hold their training events alone.

    Args:
        recommender: as it stands at the moment.
    """
    histories, targets, _ = cases(interactions, split, "valid", history=("train",))
    if not len(targets):
        return None
    keys = interactions.user_keys[histories.users]
    rows = sampled(keys, VALIDATED, split.seed, "validation users")
    figure = by_ranking(histories.take(rows), targets[rows], exclude_seen=split.exclude_seen)
    return lambda: figure(recommender())


def averaged(network: Network, steps: float) -> tuple[Network, RunningMean]:
    """A copy of a network, and what makes its weights the mean of those over about ``steps``."""
    copy = deepcopy(network).requires_grad_(False).eval()
    return copy, RunningMean(list(network.parameters()), list(copy.parameters()), steps)


def updates(losses: Iterable[Tensor], optimizer: torch.optim.Optimizer, mean: RunningMean) -> float:
    """An update from each loss as it comes; their mean, 0 where there is none."""
    seen = []
    for loss in losses:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean.follow()
        seen.append(loss.detach())
    return float(torch.stack(seen).mean()) if seen else 0.0


def train(
    model: nn.Module,
    one_pass: Callable[[int], float],
    figure: Callable[[], float] | None,
    *,
    epochs: int,
    patience: int,
    name: str,
) -> int:
    """Passes over the training events until ``patience`` of them are no better than those before.

    Args:
        model: what is measured; left as it was after its best pass (the last without ``figure``).
        one_pass: trains pass n, counted from 0, and says its mean loss.
        figure: larger is better.
        epochs: passes at most.
        patience: in passes; 0: without ``figure``, all of them.
        name: of the progress bar.

    Returns:
        The passes after which the model was as it is left.
    """
    waited, kept = Patience(patience), None
    figure = figure if patience else None
    may_end = figure is not None and 2 * patience <= epochs
    with open_bar(None if may_end else epochs, name, "epochs" if may_end else "epoch") as bar:
        for n in range(epochs):
            told = [f"loss {one_pass(n):.3f}"]
            if figure is not None:
                value = figure()
                if waited.better(value):
                    kept = {key: array.clone() for key, array in model.state_dict().items()}
                told = [waited.told("epoch"), f"NDCG@10 {value:.4f}", *told]
            bar.set_postfix_str(", ".join(told), refresh=False)
            bar.update()
            if waited.over:
                break
    if kept is not None:
        model.load_state_dict(kept)
    return waited.best_look or epochs


def products(vectors: np.ndarray, table: np.ndarray) -> np.ndarray:
    """``(B, N)`` float32, ``vectors @ table.T``, each row the same bits whatever stands beside it.

    A product of two matrices does not promise that: a row's place decides which kernel adds it up.

    Args:
        vectors: ``(B, D)`` float32.
        table: ``(N, D)`` float32.
    """
    return np.matvec(table, vectors)
