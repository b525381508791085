"""Codes for items that came after the codes were made."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p5rec.backbones.encoder import encode
from p5rec.backbones.views import item_texts
from p5rec.core.artefacts import Lineage
from p5rec.core.publishing import copy_or_link
from p5rec.core.types import Corpus, ItemCodes
from p5rec.ids.encoder import ItemEncoder, load_encoder
from p5rec.ids.files import ENCODER_FILES, load_codes, load_item_ids, save_codes
from p5rec.ids.vectors import file_vectors


def extend_codes(codes: Path, corpus: Corpus, folder: Path) -> Lineage:
    """Writes the codes in ``codes`` for the items of ``corpus`` into ``folder``, and what was
    beside them (:func:`extended`)."""
    found, _ = extended(codes, corpus)
    save_codes(found, folder, corpus.catalog.ids)
    for name in ENCODER_FILES:
        if (codes / name).is_file():
            copy_or_link(codes / name, folder / name)
    return Lineage.none()


def extended(folder: Path, corpus: Corpus, *, download: bool = False) -> tuple[ItemCodes, int]:
    """The codes in ``folder`` and those of the items that only ``corpus`` has.

    Args:
        folder: codes and what made them.
        corpus: its item table may lack old items and hold new ones.
        download: whether a text encoder that is not on this machine may be fetched.

    Returns:
        Codes of the items of the table, in its order, old ones as they were; how many are new.

    Raises:
        UserError: what made the codes was not kept, or there is no room.
    """
    codes = load_codes(folder)
    index_of = {item: row for row, item in enumerate(load_item_ids(folder))}
    known = np.array([index_of.get(item, -1) for item in corpus.catalog.ids])
    new = np.flatnonzero(known < 0)
    out = codes.codes[known]
    if len(new):
        encoder = load_encoder(folder)
        views = _views(encoder, corpus, new, download)
        out[new] = encoder.extend(codes, corpus, new, views)
    return ItemCodes(out, codes.sizes, codes.scheme, codes.tied), len(new)


def _views(
    encoder: ItemEncoder, corpus: Corpus, rows: np.ndarray, download: bool
) -> dict[str, np.ndarray]:
    """What is known of new items ``rows``: their texts and files, for no event has them."""
    vectors, found = encoder.config.vectors, {}
    if vectors.text:
        texts = item_texts(corpus.catalog.take(rows))
        found["text"] = encode(texts, vectors.text, download=download)
    if vectors.file is not None:
        found["file"] = file_vectors(Path(vectors.file.path), corpus.catalog.ids)[rows]
    return found
