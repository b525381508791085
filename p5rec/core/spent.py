"""What the stages of a run took: time and processes, from the ``spent`` of their manifests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Spent(NamedTuple):
    """What a stage took.

    Attributes:
        start: seconds since 1970.
        seconds: duration.
        processes: number of processes that computed it together.
    """

    start: float
    seconds: float
    processes: int


def spent_on(manifests: Iterable[Mapping[str, Any]]) -> dict[str, Spent]:
    """What stages and their upstream stages took, by stage.

    Args:
        manifests: of the stages.
    """
    return {
        stage: Spent(*spent) for manifest in manifests for stage, spent in manifest["spent"].items()
    }


def total_seconds(spent: Iterable[Spent]) -> float:
    """The run times of stages, summed."""
    return sum(stage.seconds for stage in spent)


def clock_seconds(spent: Iterable[Spent]) -> float:
    """The seconds in which at least one of the stages ran."""
    clock, until = 0.0, 0.0
    for start, seconds, _ in sorted(spent):
        clock += max(0.0, start + seconds - max(start, until))
        until = max(until, start + seconds)
    return clock
