"""Who stands beside whom: the methods of a task and part, best first, and its main metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from p5rec.prompting.template import UNSEEN
from p5rec.tasks.registry import TASKS

from .schema import Method, Report

OF_BASKETS = ("Recall@10", "NDCG@10")  # the main metrics where whole baskets are asked for
LOWER_IS_BETTER = frozenset({"RMSE", "MAE", "log loss", "Brier", "ECE"})


@dataclass(frozen=True)
class Block:
    """Methods measured on one task and part, the best one first.

    Attributes:
        task, split: the task and part.
        methods: sorted by the first metric.
        metrics: the main ones.
    """

    task: str
    split: str
    methods: tuple[Method, ...]
    metrics: tuple[str, ...]

    def best(self, metric: str) -> float | None:
        """The best value of ``metric``; None where there is nothing to be better than."""
        known = [v for m in self.methods if (v := _value(m, metric)) is not None]
        if len(known) < 2:
            return None
        return min(known) if metric in LOWER_IS_BETTER else max(known)

    def wins(self, method: Method, metric: str) -> bool:
        """Whether ``method`` holds the best value of ``metric``."""
        best = self.best(metric)
        return best is not None and _value(method, metric) == best


def blocks(report: Report) -> list[Block]:
    """The report's methods by task and part, in order of appearance."""
    groups: dict[tuple[str, str], list[Method]] = {}
    for method in report.methods:
        groups.setdefault((method.task, method.split), []).append(method)
    return [_block(*key, methods) for key, methods in groups.items()]


def main_metrics(task: str, have: Iterable[str]) -> tuple[str, ...]:
    """Those metrics of a report's entry that stand for its task, the first of them sorts.

    Of a task that is none of :mod:`p5rec.tasks`, such as the lists of all users, they are those of
    the task that it shares most with, or the first two that it has.

    Args:
        task: as the report names it.
        have: the entry's metrics.
    """
    have, specs = list(have), [TASKS.get(name) for name in TASKS]
    if {*OF_BASKETS} <= {*have}:
        return OF_BASKETS
    known = next((s.metrics for s in specs if s.name == task.removesuffix(UNSEEN)), None)
    alike = max((s.metrics for s in specs), key=partial(_shared, have))
    wanted = next((names for names in (known, alike) if names and {*names} & {*have}), have[:2])
    return tuple(name for name in wanted if name in have)


def _shared(have: Sequence[str], names: Sequence[str]) -> tuple[int, int]:
    """How many of ``names`` are had, and then how early the first of them comes."""
    places = [have.index(name) for name in names if name in have]
    return len(places), -min(places, default=0)


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
