"""Training by epochs with early stopping, and vector products, for several baselines.

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
from tqdm import tqdm

from p5rec.core.patience import Patience
from p5rec.core.progress import bars_are_off
from p5rec.core.rng import derive_seed, sampled
from p5rec.core.types import Interactions, Split
from p5rec.data.split import instances
from p5rec.models.averages import RunningMean

from ..predictors import Recommends
from ..tune import by_ranking

VALIDATED = 5000  # users of a validation check, at most

Network = TypeVar("Network", bound=nn.Module)


@contextmanager
def seeded(seed: int, *names: str) -> Iterator[None]:
    """Seeds torch by ``seed`` and ``names`` inside the context, and limits it to one thread.

    Sums over several threads are rounded differently, which would change ranked lists.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1), torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, *names))
            yield
    finally:
        torch.set_num_threads(threads)


def validation_metric(
    recommender: Callable[[], Recommends], interactions: Interactions, split: Split
) -> Callable[[], float] | None:
    """NDCG@10 of a recommender during training; None: there are no validation events.

    The metric is computed on the last validation items, or the validation baskets, of a seeded
    sample of ``VALIDATED`` users, with their training events as histories.

    Args:
        recommender: returns the recommender in its current state.
        interactions, split: the data.
    """
    histories, targets, _ = instances(interactions, split, "valid", history=("train",))
    if not len(targets):
        return None
    keys = interactions.user_keys[histories.users]
    rows = sampled(keys, VALIDATED, split.seed, "validation users")
    metric = by_ranking(histories.take(rows), targets[rows], exclude_seen=split.exclude_seen)
    return lambda: metric(recommender())


def with_average(network: Network, steps: float) -> tuple[Network, RunningMean]:
    """A copy of a network, and the moving average over about ``steps`` that fills its weights."""
    copy = deepcopy(network).requires_grad_(False).eval()
    return copy, RunningMean(list(network.parameters()), list(copy.parameters()), steps)


def updates(losses: Iterable[Tensor], optimizer: torch.optim.Optimizer, mean: RunningMean) -> float:
    """Takes a step for each loss and returns the mean loss; 0 if there is none."""
    values = []
    for loss in losses:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean.update()
        values.append(loss.detach())
    return float(torch.stack(values).mean()) if values else 0.0


def train(
    model: nn.Module,
    one_pass: Callable[[int], float],
    figure: Callable[[], float] | None,
    *,
    epochs: int,
    patience: int,
    name: str,
) -> int:
    """Trains until ``patience`` epochs are no better than those before, and restores the best.

    Args:
        model: the evaluated model; it ends with the weights of its best epoch (without ``figure``,
            of its last).
        one_pass: trains epoch n, counted from 0, and returns its mean loss.
        figure: the validation metric; larger is better.
        epochs: the maximum.
        patience: in epochs; 0: no early stopping.
        name: of the progress bar.

    Returns:
        The epoch of the model's weights.
    """
    waited, kept = Patience(patience), None
    figure = figure if patience else None
    with tqdm(range(epochs), desc=name, unit="pass", leave=None, disable=bars_are_off()) as bar:
        for n in bar:
            told = {"loss": f"{one_pass(n):.3f}"}
            if figure is not None:
                value = figure()
                if waited.improves(value):
                    kept = {key: array.clone() for key, array in model.state_dict().items()}
                told |= {"NDCG@10": f"{value:.4f}", "best": f"{waited.best:.4f}"}
            bar.set_postfix(told)
            if waited.exhausted:
                break
    if kept is not None:
        model.load_state_dict(kept)
    return waited.best_check or epochs


def products(vectors: np.ndarray, table: np.ndarray) -> np.ndarray:
    """``(B, N)`` float32, ``vectors @ table.T``, each row bitwise independent of the others.

    A matrix product does not guarantee that: the kernel of a row depends on its position.

    Args:
        vectors: ``(B, D)`` float32.
        table: ``(N, D)`` float32.
    """
    return np.matvec(table, vectors)
