"""Codes for items added after the codes were trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p5rec.backbones.encoder import encode
from p5rec.core.artefacts import Lineage
from p5rec.core.item_codes import ItemCodes
from p5rec.core.publishing import copy_or_link
from p5rec.core.types import Corpus
from p5rec.data.entity_texts import item_texts
from p5rec.ids.encoder import ItemEncoder, load_encoder
from p5rec.ids.files import ENCODER_FILES, load_codes, load_item_ids, save_codes
from p5rec.ids.vectors import file_vectors


def extend_codes(codes: Path, corpus: Corpus, folder: Path) -> Lineage:
    """Extends ``codes`` to the items of ``corpus`` and writes them and their encoder to ``folder``.

    Raises:
        UserError: see :func:`extended`.
    """
    new_codes, _ = extended(codes, corpus)
    save_codes(new_codes, folder, corpus.catalog.ids)
    for name in ENCODER_FILES:
        if (codes / name).is_file():
            copy_or_link(codes / name, folder / name)
    return Lineage.none()


def extended(folder: Path, corpus: Corpus, *, download: bool = False) -> tuple[ItemCodes, int]:
    """Codes of all items of ``corpus``: those in ``folder``, and new ones for new items.

    Args:
        folder: codes and the encoder that assigned them.
        corpus: may lack old items and have new ones.
        download: whether a text encoder that is not on this machine may be downloaded.

    Returns:
        Codes in the order of the catalogue, unchanged for old items; the number of new items.

    Raises:
        UserError: the folder has no encoder, or the codebooks have no free codes.
    """
    codes = load_codes(folder)
    index_of = {item: index for index, item in enumerate(load_item_ids(folder))}
    known = np.array([index_of.get(item, -1) for item in corpus.catalog.ids])
    new = np.flatnonzero(known < 0)
    out = codes.codes[known]
    if len(new):
        encoder = load_encoder(folder)
        views = _views(encoder, corpus, new, download)
        out[new] = encoder.extend(codes, corpus, new, views)
    return ItemCodes(out, codes.sizes, codes.scheme, codes.tied), len(new)


def _views(
    encoder: ItemEncoder, corpus: Corpus, items: np.ndarray, download: bool
) -> dict[str, np.ndarray]:
    """The text and file vectors of new ``items``; no other view exists without events."""
    vectors, views = encoder.config.vectors, {}
    if vectors.text:
        texts = item_texts(corpus.catalog.take(items))
        views["text"] = encode(texts, vectors.text, download=download)
    if vectors.file is not None:
        views["file"] = file_vectors(Path(vectors.file.path), corpus.catalog.ids)[items]
    return views
