"""The candidates of a fusion's component: the points of its grid, and the fits they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from p5rec.core.artefacts import digest

from ..base import Method

COMPONENTS = "components"  # the subfolder of a fusion's folder with its components


def fit_name(component: str, fit: int) -> str:
    """The name of a component's fit among the inputs of a fusion."""
    return f"{component}.{fit}"


@dataclass(frozen=True)
class Grid:
    """The candidates of a component.

    Attributes:
        points: the configs to choose from.
        fits: the number of each point's fit; points that differ only in query settings share one.
        values: setting → the values that are tried.
    """

    points: tuple[Method, ...]
    fits: tuple[int, ...]
    values: dict[str, tuple[Any, ...]]

    @classmethod
    def of(cls, component: Method) -> Self:
        """The candidates of ``component``."""
        points, numbers = component.points(), dict[str, int]()
        keys = (digest(point.fit_settings()) for point in points)
        fits = tuple(numbers.setdefault(key, len(numbers)) for key in keys)
        return cls(points, fits, dict(component.tune))

    @property
    def fitted(self) -> list[Method]:
        """The config of each fit."""
        return [self.points[self.fits.index(fit)] for fit in range(max(self.fits) + 1)]

    @property
    def axes(self) -> int:
        """The number of settings to select."""
        return len(self.values)

    def along(self, candidate: int, axis: int) -> list[int]:
        """The candidates that equal one in all settings but one, with itself."""
        at = self._at(candidate)
        size = [len(values) for values in self.values.values()]
        step = int(np.prod(size[axis + 1 :], dtype=int))  # the last setting changes first
        return [candidate + (n - at[axis]) * step for n in range(size[axis])]

    def settings(self, candidate: int) -> dict[str, Any]:
        """The values of a candidate's settings."""
        at = self._at(candidate)
        return {name: values[n] for (name, values), n in zip(self.values.items(), at, strict=True)}

    def _at(self, candidate: int) -> list[int]:
        """The index of a candidate's value within each setting."""
        shape = tuple(len(values) for values in self.values.values())
        return [int(n) for n in np.unravel_index(candidate, shape)] if shape else []
