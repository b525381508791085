"""The space of a model: item vectors from the recipe, or those of a fitted method."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import input_error
from p5rec.core.types import Corpus
from p5rec.data.points import Points
from p5rec.data.vector_store import AboutVectors, VectorStore
from p5rec.tasks.view import unnamed_view

from ...folder import is_fitted, read_method
from ...needs import Inputs
from .settings import SPACE, TEXTS


def save_space(corpus: Corpus, inputs: Inputs, folder: Path) -> VectorStore:
    """Copies the space among the inputs of a fit into ``folder``.

    Raises:
        UserError: the vectors are of no items, or the method has no item vectors.
    """
    store = _store(corpus, inputs[SPACE])
    if store.about.of != "items":
        raise input_error(
            "elm.vectors", "vectors of items", f"vectors of {store.about.of}", "name others"
        )
    store.save(folder / SPACE)
    return store


def _store(corpus: Corpus, folder: Path) -> VectorStore:
    if not is_fitted(folder):
        return VectorStore.read(folder)
    method = read_method(folder)
    if not method.embeds_items:
        todo = "name a method that has some, such as bpr"
        raise input_error("elm.model", "a method with item vectors", method.kind, todo)
    vectors = method.load(folder).item_vectors()
    known = np.isfinite(vectors).all(axis=1)
    about = AboutVectors(of="items", source="model")
    keys = corpus.interactions.item_keys[known]
    return VectorStore.of(keys, vectors[known], about, Lineage.none())


def points_of(corpus: Corpus, store: VectorStore) -> Points:
    """The points of a corpus in the space of ``store``."""
    items = store.rows(corpus.interactions.item_keys)
    return Points.of(corpus, items, unnamed_view(corpus).liked)


@dataclass(frozen=True, eq=False)
class Space:
    """The vectors in a model's folder.

    Attributes:
        points: of the space, by item key.
        texts: of the items' texts, by item key.
    """

    points: VectorStore
    texts: VectorStore

    @classmethod
    def read(cls, folder: Path) -> Space:
        """The vectors in a complete folder."""
        return cls(VectorStore.read(folder / SPACE), VectorStore.read(folder / TEXTS))
