"""Free words of a wish → items with similar texts, by stored text vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p5rec.backbones.encoder import encode
from p5rec.core.errors import input_error
from p5rec.core.rng import id_keys
from p5rec.core.types import Catalog
from p5rec.data.vector_store import VectorStore
from p5rec.tasks.wishes.parse import Similarity

NEAREST = 100  # items that match words


def text_similarity(folder: Path, catalog: Catalog) -> Similarity:
    """The similarity of words to the items of ``catalog``, by the vectors stored in ``folder``.

    The words are encoded as the texts were. The most similar item has 1, the one of rank
    ``NEAREST + 1`` and all below have 0, by the cosine between.

    Raises:
        UserError: the vectors are not of items, or have no text encoder.
    """
    store = VectorStore.read(folder)
    encoder, about = store.about.encoder, store.about
    if about.of != "items" or encoder is None:
        got = f"vectors of {about.of} from {about.source}"
        raise input_error(
            folder, "vectors of items' texts by an encoder", got, "name a stage of `vectors:`"
        )
    rows = store.rows(id_keys(catalog.ids))
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = np.nan_to_num(rows / np.where(norms > 0, norms, 1))

    def similarity(words: str) -> np.ndarray:
        vector = encode([words], encoder, layer=about.layer, max_tokens=about.max_tokens)[0]
        cosines = unit @ np.nan_to_num(vector)
        ordered = np.sort(cosines)[::-1]
        top, bottom = ordered[0], ordered[min(NEAREST, len(ordered) - 1)]
        scaled = (cosines - bottom) / max(top - bottom, 1e-9)
        out: np.ndarray = scaled.clip(0, 1).astype(np.float32)
        return out

    return similarity
