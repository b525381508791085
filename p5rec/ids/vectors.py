"""Several views of an item as one vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from p5rec.core.types import Catalog


def fuse(parts: Sequence[tuple[np.ndarray, float]]) -> np.ndarray:
    """Parts side by side, each row scaled to the part's weight.

    Args:
        parts: ``(N, d)`` matrices with their weights, at least one.

    Returns:
        ``(N, D)`` float32, D the summed widths. A zero row stays zero, so an item that one part
        does not know is described by the others alone.
    """
    scaled = []
    for matrix, weight in parts:
        norms = np.linalg.norm(matrix, axis=1, keepdims=True)
        scaled.append(weight * matrix / np.where(norms > 0, norms, 1.0))
    return np.concatenate(scaled, axis=1).astype(np.float32)


def item_texts(catalog: Catalog) -> list[str]:
    """What a text encoder reads of each item, ``(N,)``: the title, then ``attribute: values``."""
    columns = [[_clause(name, v) for v in catalog.values(name)] for name in catalog.attributes]
    rows = zip(catalog.titles, *columns, strict=True)
    return [". ".join(part for part in row if part) for row in rows]


def _clause(name: str, values: tuple[str, ...]) -> str:
    return f"{name}: {', '.join(values)}" if values else ""
