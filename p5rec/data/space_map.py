"""A map of a vector space: its items, concepts and described points in two dimensions.

M items, C concepts, P points.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from p5rec.core.artefacts import read_json, write_json

FILE = "space.json"


@dataclass(frozen=True)
class SpaceMap:
    """The map. Positions are those along the first two principal components of the items.

    Attributes:
        items: M positions.
        groups: of each item the first concept that it has, as a row of ``concepts``; -1: none.
        concepts: C attribute values, the most common first.
        arrows: of each concept the mean of the items that have it, from the mean of all.
        points: P positions of described points.
        names: of the described points.
        texts: what the model writes about them.
    """

    items: list[list[float]]
    groups: list[int]
    concepts: list[str]
    arrows: list[list[float]]
    points: list[list[float]]
    names: list[str]
    texts: list[str]

    def save(self, folder: Path) -> None:
        """Writes the map into ``folder``."""
        write_json(folder / FILE, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The map in ``folder``."""
        entries: dict[str, Any] = read_json(folder / FILE)
        return cls(**entries)


def plane(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean ``(d,)`` of ``vectors (n, d)``, and their first two principal components ``(d, 2)``.

    The sign of a component makes its largest entry positive.
    """
    mean = vectors.mean(axis=0)
    axes = np.linalg.svd(vectors - mean, full_matrices=False)[2][:2].T
    largest = np.abs(axes).argmax(axis=0)
    return mean, axes * np.sign(axes[largest, np.arange(axes.shape[1])])
