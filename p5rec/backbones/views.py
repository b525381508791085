"""The work of the stage that turns items' texts into vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Catalog
from p5rec.data.texts import item_texts

from .encoder import encode


def encode_items(encoder: str, catalog: Catalog, file: str, folder: Path) -> Lineage:
    """Writes the vectors ``(N, D)`` of the items' texts to ``file`` in ``folder``.

    Raises:
        UserError: see :func:`p5rec.backbones.encoder.encode`.
    """
    np.save(folder / file, encode(item_texts(catalog), encoder, download=True))
    return Lineage.none()
