"""The candidates of a fusion's part: the points of its grid, and the fits that they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from p5rec.core.artefacts import digest

from ..base import Method

COMPONENTS = "components"  # of a fusion's folder: where those of its parts lie


def fit_name(component: str, fit: int) -> str:
    """What a fit of a part is called among the inputs of a fusion."""
    return f"{component}.{fit}"


@dataclass(frozen=True)
class Grid:
    """Of a part.

    Attributes:
        points: the configs to choose from.
        fits: of each which of the part's fits it reads: what shapes queries alone needs no other.
        values: setting → those that are tried.
    """

    points: tuple[Method, ...]
    fits: tuple[int, ...]
    values: dict[str, tuple[Any, ...]]

    @classmethod
    def of(cls, component: Method) -> Self:
        """The candidates of ``part``."""
        points, numbers = component.points(), dict[str, int]()
        keys = (digest(point.fit_settings()) for point in points)
        fits = tuple(numbers.setdefault(key, len(numbers)) for key in keys)
        return cls(points, fits, dict(component.tune))

    @property
    def fitted(self) -> list[Method]:
        """The config that each of the fits is made by."""
        return [self.points[self.fits.index(fit)] for fit in range(max(self.fits) + 1)]

    @property
    def axes(self) -> int:
        """Settings that are chosen."""
        return len(self.values)

    def along(self, candidate: int, axis: int) -> list[int]:
        """The candidates that differ from one in a single setting, itself among them."""
        at = self._at(candidate)
        size = [len(values) for values in self.values.values()]
        step = int(np.prod(size[axis + 1 :], dtype=int))  # the last setting changes first
        return [candidate + (n - at[axis]) * step for n in range(size[axis])]

    def settings(self, candidate: int) -> dict[str, Any]:
        """Those that are chosen, with their values."""
        at = self._at(candidate)
        return {name: values[n] for (name, values), n in zip(self.values.items(), at, strict=True)}

    def _at(self, candidate: int) -> list[int]:
        """The place of a candidate's value among those of each setting."""
        shape = tuple(len(values) for values in self.values.values())
        return [int(n) for n in np.unravel_index(candidate, shape)] if shape else []
