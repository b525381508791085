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

from p5rec.core.patience import Patience
from p5rec.core.progress import open_bar
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


def updates(
    losses: Iterable[Tensor], optimizer: torch.optim.Optimizer, mean: RunningMean | None = None
) -> float:
    """Takes a step for each loss and returns the mean loss; 0 if there is none.

    Args:
        losses: of each step.
        optimizer: of the weights.
        mean: the moving average that follows them, if there is one.
    """
    values = []
    for loss in losses:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if mean is not None:
            mean.update()
        values.append(loss.detach())
    return float(torch.stack(values).mean()) if values else 0.0


def train(
    model: nn.Module,
    one_epoch: Callable[[int], float],
    metric: Callable[[], float] | None,
    *,
    epochs: int,
    patience: int,
    name: str,
    metric_name: str = "NDCG@10",
) -> int:
    """Trains with early stopping, and restores the weights of the best epoch.

    Args:
        model: the evaluated model; it ends with the weights of its best epoch (without ``metric``,
            of its last).
        one_epoch: trains epoch n, counted from 0, and returns its mean loss.
        metric: the validation metric; larger is better.
        epochs: the maximum number of epochs.
        patience: of early stopping, in epochs (:class:`~p5rec.core.patience.Patience`); 0: none.
        name: of the progress bar.
        metric_name: of the validation metric, there.

    Returns:
        The epoch of the model's weights.
    """
    stopping, best_weights = Patience(patience), None
    metric = metric if patience else None
    may_stop_early = metric is not None and 2 * patience <= epochs
    total, unit = (None, "epochs") if may_stop_early else (epochs, "epoch")
    with open_bar(total, name, unit) as bar:
        for n in range(epochs):
            values = [f"loss {one_epoch(n):.3f}"]
            if metric is not None:
                value = metric()
                if stopping.improves(value):
                    state = model.state_dict()
                    best_weights = {key: array.clone() for key, array in state.items()}
                values = [stopping.summary("epoch"), f"{metric_name} {value:.4f}", *values]
            bar.set_postfix_str(", ".join(values), refresh=False)
            bar.update()
            if stopping.exhausted:
                break
    if best_weights is not None:
        model.load_state_dict(best_weights)
    return stopping.best_check or epochs


def products(vectors: np.ndarray, table: np.ndarray) -> np.ndarray:
    """``(B, N)`` float32, ``vectors @ table.T``, each row bitwise independent of the others.

    A matrix product does not guarantee that: the kernel of a row depends on its position.

    Args:
        vectors: ``(B, D)`` float32.
        table: ``(N, D)`` float32.
    """
    return np.matvec(table, vectors)
