"""Item texts, and the stage that embeds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Catalog

from .encoder import encode


def encode_items(encoder: str, catalog: Catalog, file: str, folder: Path) -> Lineage:
    """Writes the text embeddings ``(N, D)`` of all items to ``file`` in ``folder``.

    Raises:
        UserError: see :func:`p5rec.backbones.encoder.encode`.
    """
    np.save(folder / file, encode(item_texts(catalog), encoder, download=True))
    return Lineage.none()


def item_texts(catalog: Catalog) -> list[str]:
    """The text of each item for a text encoder, ``(N,)``: the title, then ``attribute: values``."""
    columns = [[_clause(name, v) for v in catalog.values(name)] for name in catalog.attributes]
    rows = zip(catalog.titles, *columns, strict=True)
    return [". ".join(clause for clause in row if clause) for row in rows]


def _clause(name: str, values: tuple[str, ...]) -> str:
    return f"{name}: {', '.join(values)}" if values else ""
