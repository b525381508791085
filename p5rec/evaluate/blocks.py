"""One table of a report: the methods of a task and split, best first, and its main metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from p5rec.prompting.template import HELD_OUT
from p5rec.tasks.registry import TASKS

from .schema import Method, Report

OF_BASKETS = ("Recall@10", "NDCG@10")  # the main metrics where targets are whole baskets
LOWER_IS_BETTER = frozenset({"RMSE", "MAE", "log loss", "Brier", "ECE", "turns"})


@dataclass(frozen=True)
class Block:
    """Methods measured on one task and split, the best one first.

    Attributes:
        task, split: the task and the held-out split.
        methods: sorted by the first metric.
        metrics: the main ones.
    """

    task: str
    split: str
    methods: tuple[Method, ...]
    metrics: tuple[str, ...]

    def best(self, metric: str) -> float | None:
        """The best value of ``metric``; None where fewer than two methods have one."""
        known = [v for m in self.methods if (v := _value(m, metric)) is not None]
        if len(known) < 2:
            return None
        return min(known) if metric in LOWER_IS_BETTER else max(known)

    def wins(self, method: Method, metric: str) -> bool:
        """Whether ``method`` has the best value of ``metric``."""
        best = self.best(metric)
        return best is not None and _value(method, metric) == best


def blocks(report: Report) -> list[Block]:
    """The report's methods by task and split, in order of appearance."""
    groups: dict[tuple[str, str], list[Method]] = {}
    for method in report.methods:
        groups.setdefault((method.task, method.split), []).append(method)
    return [_block(*key, methods) for key, methods in groups.items()]


def main_metrics(task: str, available: Iterable[str]) -> tuple[str, ...]:
    """The main metrics of a report's entry; methods are sorted by the first.

    A task outside :mod:`p5rec.tasks`, such as the ranked lists of all users, uses the main metrics
    of the task that shares most of its metrics, or else its own first two.

    Args:
        task: its name in the report.
        available: the entry's metrics.
    """
    available, specs = list(available), [TASKS.get(name) for name in TASKS]
    if {*OF_BASKETS} <= {*available}:
        return OF_BASKETS
    known = next((s.metrics for s in specs if s.name == task.removesuffix(HELD_OUT)), None)
    alike = max((s.metrics for s in specs), key=partial(_shared, available))
    wanted = next(
        (names for names in (known, alike) if names and {*names} & {*available}), available[:2]
    )
    return tuple(name for name in wanted if name in available)


def _shared(available: Sequence[str], names: Sequence[str]) -> tuple[int, int]:
    """The number of ``names`` that are available, and minus the position of the first of them."""
    positions = [available.index(name) for name in names if name in available]
    return len(positions), -min(positions, default=0)


def _block(task: str, split: str, methods: Sequence[Method]) -> Block:
    known = {m: None for method in methods for m in method.metrics if _value(method, m) is not None}
    metrics = main_metrics(task, known) or main_metrics(task, methods[0].metrics)

    def rank(method: Method) -> tuple[bool, float]:
        value = _value(method, metrics[0])
        sign = 1 if metrics[0] in LOWER_IS_BETTER else -1
        return value is None, sign * (value or 0)

    return Block(task, split, tuple(sorted(methods, key=rank)), metrics)


def _value(method: Method, metric: str) -> float | None:
    measure = method.metrics.get(metric)
    return None if measure is None else measure.value
