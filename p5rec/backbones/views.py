"""Items' texts, and the work of the stage that turns them into vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Catalog

from .encoder import encode


def encode_items(encoder: str, catalog: Catalog, file: str, folder: Path) -> Lineage:
    """Writes the vectors ``(N, D)`` of the items' texts to ``file`` in ``folder``.

    Raises:
        UserError: see :func:`p5rec.backbones.encoder.encode`.
    """
    np.save(folder / file, encode(item_texts(catalog), encoder, download=True))
    return Lineage.none()


def item_texts(catalog: Catalog) -> list[str]:
    """What a text encoder reads of each item, ``(N,)``: the title, then ``attribute: values``."""
    columns = [[_clause(name, v) for v in catalog.values(name)] for name in catalog.attributes]
    rows = zip(catalog.titles, *columns, strict=True)
    return [". ".join(part for part in row if part) for row in rows]


def _clause(name: str, values: tuple[str, ...]) -> str:
    return f"{name}: {', '.join(values)}" if values else ""
