"""The candidates of a fusion's part: the points of its grid, and the fits that they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from p5rec.core.artefacts import digest

from ..base import Method

PARTS = "parts"  # of a fusion's folder: where those of its parts lie


def fit_name(part: str, fit: int) -> str:
    """What a fit of a part is called among the inputs of a fusion."""
    return f"{part}.{fit}"


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
    def of(cls, part: Method) -> Self:
        """The candidates of ``part``."""
        points, numbers = part.points(), dict[str, int]()
        keys = (digest(point.fit_settings()) for point in points)
        fits = tuple(numbers.setdefault(key, len(numbers)) for key in keys)
        return cls(points, fits, dict(part.tune))

    @property
    def fitted(self) -> list[Method]:
        """The config that each of the fits is made by."""
        return [self.points[self.fits.index(fit)] for fit in range(max(self.fits) + 1)]

    def along(self, candidate: int) -> list[list[int]]:
        """For each setting the candidates that differ from one in no other."""
        shape = tuple(len(values) for values in self.values.values())
        if not shape:
            return []
        numbers = np.arange(len(self.points)).reshape(shape)
        at = np.unravel_index(candidate, shape)
        return [
            numbers[(*at[:axis], slice(None), *at[axis + 1 :])].tolist()
            for axis, size in enumerate(shape)
            if size > 1
        ]

    def settings(self, candidate: int) -> dict[str, Any]:
        """Those that are chosen among, with their values."""
        shape = tuple(len(values) for values in self.values.values())
        at = np.unravel_index(candidate, shape) if shape else ()
        return {
            name: values[int(n)]
            for (name, values), n in zip(self.values.items(), at, strict=True)
        }
