"""What fitting a method takes, said before anything is fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class Planned(Protocol):
    """What fitting a method takes."""

    def dump(self) -> dict[str, Any]:
        """As plain data."""
        ...

    def lines(self) -> list[str]:
        """In words."""
        ...


@dataclass(frozen=True)
class Plan:
    """What fitting a method takes that is fitted to the data alone.

    Attributes:
        fits: models that are fitted under the first seed.
        memory: bytes that the largest takes beside the data; 0: little.
    """

    fits: int
    memory: float = 0.0

    def dump(self) -> dict[str, Any]:
        """As plain data."""
        return {"fits": self.fits, "memory": self.memory}

    def lines(self) -> list[str]:
        """In words."""
        memory = f", {self.memory / 1e9:.1f} GB beside the data" * (self.memory >= 5e7)
        return [f"  {self.fits} to fit{memory}"]


@dataclass(frozen=True)
class PlanContext:
    """What a plan reads beside a method's config.

    Attributes:
        ids: configs of the recipe's ids, by name.
        methods: the recipe's methods, by name.
        gpus: to say times for, by name.
    """

    ids: Mapping[str, Any] = field(default_factory=dict)
    methods: Mapping[str, Any] = field(default_factory=dict)
    gpus: Sequence[str] = ()
