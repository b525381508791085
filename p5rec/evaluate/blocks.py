"""Who stands beside whom: the methods of a task and part, best first, and its main metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .schema import Method, Report

LOWER_IS_BETTER = frozenset({"RMSE", "MAE", "log loss", "Brier", "ECE"})
# the metrics that stand for a task, the first of them sorts; a task has most of its own
MAIN = (
    ("HR@10", "NDCG@10"),
    ("RMSE", "MAE", "AUC"),
    ("accuracy", "AUC", "log loss", "Brier"),
    ("BLEU-4", "ROUGE-1", "ROUGE-2", "ROUGE-L", "groundedness"),
)


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


def main_metrics(have: Iterable[str]) -> tuple[str, ...]:
    """Those of a task's metrics that stand for it."""
    have = list(have)
    family: Sequence[str] = max(MAIN, key=lambda names: len(set(names) & set(have)))
    if not set(family) & set(have):
        family = have[:2]
    return tuple(name for name in family if name in have)


def _block(task: str, split: str, methods: Sequence[Method]) -> Block:
    known = {m: None for method in methods for m in method.metrics if _value(method, m) is not None}
    metrics = main_metrics(known) or main_metrics(methods[0].metrics)

    def rank(method: Method) -> tuple[bool, float]:
        value = _value(method, metrics[0])
        sign = 1 if metrics[0] in LOWER_IS_BETTER else -1
        return value is None, sign * (value or 0)

    return Block(task, split, tuple(sorted(methods, key=rank)), metrics)


def _value(method: Method, metric: str) -> float | None:
    measure = method.metrics.get(metric)
    return None if measure is None else measure.value
