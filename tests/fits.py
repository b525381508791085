"""Fits methods on small corpora with the pipeline's stages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from p5rec.backbones.encoder import encode
from p5rec.backbones.tiny_encoder import TINY
from p5rec.core.artefacts import Artefact, Lineage, Store
from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import derive_rng
from p5rec.core.types import Corpus
from p5rec.data.entity_texts import item_texts
from p5rec.data.vector_store import AboutVectors, Entities, VectorStore
from p5rec.ids.files import save_codes
from p5rec.methods.base import Method
from p5rec.methods.fitted import Fitted
from p5rec.pipeline.fitting import fit_method
from p5rec.pipeline.method_runs import RunContext
from p5rec.pipeline.prepared import Prepared


@dataclass(frozen=True)
class Fits:
    """A corpus, its semantic ids, a store for fitted methods, and vectors named ``users``,
    ``items`` and ``texts``, those of the items' texts by the tiny encoder."""

    prepared: Prepared
    ids: Artefact
    vectors: dict[str, list[Artefact]]

    @classmethod
    def of(cls, corpus: Corpus, codes: ItemCodes, root: Path) -> Fits:
        store = Store(root, lambda _: None, 0)

        def save(folder: Path) -> Lineage:
            save_codes(codes, folder, corpus.catalog.ids)
            return Lineage.none()

        data = store.stage("data", lambda _: Lineage.none(), config={}, code=())
        ids = store.stage("ids", save, config={}, code=())
        log = corpus.interactions
        vectors = {
            of: [store.stage("vectors", partial(_vectors, of, keys), config={"of": of}, code=())]
            for of, keys in (("users", log.user_keys), ("items", log.item_keys))
        }
        save_texts = partial(_text_vectors, corpus)
        vectors["texts"] = [store.stage("vectors", save_texts, config={"of": "texts"}, code=())]
        return cls(Prepared(corpus, data, store), ids, vectors)

    def fit(self, method: Method, **earlier: Fitted) -> Fitted:
        """Fits ``method``, which may be initialised from the ``earlier`` methods."""
        return self.fit_seeds(method, 1, **earlier)[0]

    def fit_seeds(self, method: Method, repeats: int, **earlier: Fitted) -> list[Fitted]:
        """Fits ``method`` once for each of ``repeats`` seeds."""
        ids = {method.semantic_ids or "": [self.ids]}
        context = RunContext(ids, {name: [run] for name, run in earlier.items()}, self.vectors)
        return fit_method(method, self.prepared, context, repeats)


def _text_vectors(corpus: Corpus, folder: Path) -> Lineage:
    """Stores the vectors of the items' texts."""
    about = AboutVectors(of="items", source="metadata", encoder=TINY)
    vectors = encode(item_texts(corpus.catalog), TINY)
    VectorStore.of(corpus.interactions.item_keys, vectors, about, Lineage.none()).save(folder)
    return Lineage.none()


def _vectors(of: Entities, keys: np.ndarray, folder: Path) -> Lineage:
    """Stores random vectors of the entities ``keys``."""
    vectors = derive_rng(0, of).normal(size=(len(keys), 5)).astype(np.float32)
    about = AboutVectors(of=of, source="file")
    VectorStore.of(keys, vectors, about, Lineage.none()).save(folder)
    return Lineage.none()
