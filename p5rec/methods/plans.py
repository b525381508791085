"""The cost of fitting a method, estimated before anything is fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class Planned(Protocol):
    """The estimated cost of a fit."""

    def dump(self) -> dict[str, Any]:
        """As plain data."""
        ...

    def lines(self) -> list[str]:
        """As lines of text."""
        ...


@dataclass(frozen=True)
class Plan:
    """The cost of a method that is fitted to the data alone.

    Attributes:
        fits: models that are fitted under the first seed, one for each candidate of the grid.
        memory: bytes that the largest takes besides the data; 0: little.
    """

    fits: int
    memory: float = 0.0

    def dump(self) -> dict[str, Any]:
        """As plain data."""
        return {"fits": self.fits, "memory": self.memory}

    def lines(self) -> list[str]:
        """As lines of text."""
        memory = f", {self.memory / 1e9:.1f} GB besides the data" * (self.memory >= 5e7)
        several = f"{self.fits} models to fit, one for each candidate setting"
        return [f"  {several if self.fits > 1 else '1 model to fit'}{memory}"]


@dataclass(frozen=True)
class PlanContext:
    """The inputs of a plan besides a method's config.

    Attributes:
        ids: configs of the recipe's ids, by name.
        methods: the recipe's methods, by name.
        texts: the recipe's sections of texts, by name.
        gpus: names of the GPUs to estimate times for.
    """

    ids: Mapping[str, Any] = field(default_factory=dict)
    methods: Mapping[str, Any] = field(default_factory=dict)
    gpus: Sequence[str] = ()
    texts: Mapping[str, Any] = field(default_factory=dict)
