"""A method that reads stored vectors and texts: items near the last one of a history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import tie_order
from p5rec.core.types import Corpus, Histories
from p5rec.data.stored_texts import StoredTexts
from p5rec.data.vector_store import VectorStore
from p5rec.methods.arrays import load_arrays, save_arrays
from p5rec.methods.base import Method
from p5rec.methods.baselines.scorer import ItemScorer
from p5rec.methods.needs import Inputs, Need, Texts, Vectors


@dataclass(frozen=True, eq=False)
class Near(ItemScorer):
    """``vectors (N, d)`` float32 without NaN, and ``tie (N,)``."""

    vectors: np.ndarray
    tie: np.ndarray
    lineage: Lineage | None = None

    def scores(self, histories: Histories) -> np.ndarray:
        """Products with the vector of each request's last item."""
        last = histories.items[np.maximum(histories.offsets[1:] - 1, 0)]
        scores: np.ndarray = self.vectors[last] @ self.vectors.T
        return scores * (histories.lengths > 0)[:, None]


class NearestVectors(Method):
    """Items near the last one, by the stored vectors of a recipe."""

    kind: Literal["nearest-vectors"] = "nearest-vectors"
    vectors: str
    texts: str | None = None

    def needs(self, seed: int) -> dict[str, Need]:
        """See :class:`p5rec.methods.base.Method`."""
        texts: dict[str, Need] = {} if self.texts is None else {"texts": Texts(self.texts)}
        return {"vectors": Vectors(self.vectors), **texts}

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`."""
        log = corpus.interactions
        vectors = np.nan_to_num(VectorStore.read(inputs["vectors"]).rows(log.item_keys))
        if self.texts is not None:
            written = StoredTexts.read(inputs["texts"]).of_keys(log.item_keys)
            vectors = vectors * np.array([[bool(text)] for text in written])
        tie = tie_order(log.item_keys, seed)
        save_arrays(folder, {"vectors": vectors.astype(np.float32), "tie": tie})
        return Lineage.none()

    def load(self, folder: Path) -> Near:
        """See :class:`p5rec.methods.base.Method`."""
        return replace(Near(**load_arrays(folder)), lineage=None)
