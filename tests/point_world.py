"""A synthetic catalogue whose item vectors show genres and decade, and users who like one genre."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from even_log import even_corpus

from p5rec.core.artefacts import Lineage
from p5rec.core.publishing import copy_or_link
from p5rec.core.rng import derive_rng
from p5rec.core.types import Corpus
from p5rec.data.vector_store import AboutVectors, VectorStore
from p5rec.methods.base import Method
from p5rec.methods.folder import complete
from p5rec.methods.systems.elm.space import points_of
from p5rec.metrics.text import exact_matches
from p5rec.tasks.view import CorpusView, unnamed_view

GENRES = ("Crime", "Drama", "Opera", "Space")
YEARS = (1950, 1970, 1990)
WIDTH = 16


def point_world(
    seed: int = 0, *, items: int = 240, users: int = 40, events: int = 6
) -> tuple[Corpus, np.ndarray]:
    """A corpus, and the vectors ``(N, WIDTH)`` of its items.

    A vector is the sum of a direction for each genre and one for the decade, and a little noise. A
    user takes items of one genre.
    """
    rng = derive_rng(seed, "point world")
    genre = rng.integers(len(GENRES), size=items)
    second = np.where(rng.random(items) < 0.3, rng.integers(len(GENRES), size=items), genre)
    year = rng.integers(len(YEARS), size=items)
    directions = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0]
    shown = np.zeros((items, len(GENRES)))
    shown[np.arange(items), genre] = shown[np.arange(items), second] = 1
    vectors = shown @ directions[: len(GENRES)] + directions[len(GENRES) + year]
    vectors += 0.05 * rng.normal(size=vectors.shape)
    taste = np.arange(users) % len(GENRES)
    chosen = np.concatenate(
        [rng.permutation(np.flatnonzero(genre == own))[:events] for own in taste.tolist()]
    )
    columns = {
        "title": [f"i{n}" for n in range(items)],
        "genres": [sorted({GENRES[a], GENRES[b]}) for a, b in zip(genre, second, strict=True)],
        "year": [YEARS[y] for y in year],
    }
    corpus = even_corpus(chosen, users, items, columns)
    return corpus, vectors.astype(np.float32)


def save_vectors(
    corpus: Corpus, vectors: np.ndarray, folder: Path, *, permuted: bool = False
) -> Path:
    """Stores a vector for each item, or, ``permuted``, for each that of another."""
    about = AboutVectors(of="items", source="file")
    store = VectorStore.of(corpus.interactions.item_keys, vectors, about, Lineage.none())
    (store.permuted(0) if permuted else store).save(folder)
    return folder


def elm(method: Method, corpus: Corpus, space: Path, texts: Path, root: Path) -> Path:
    """A complete folder of ``method``, fitted to ``corpus``."""
    (root / "fit").mkdir(parents=True)
    (root / "work").mkdir()
    method.fit(corpus, root / "fit", seed=0, inputs={"space": space})
    files = complete(method, root / "fit", {"texts": texts}, corpus.catalog, root / "work")
    copy_or_link(files, root / "model")
    return root / "model"


def view_of(predictor: Any, corpus: Corpus) -> CorpusView:
    """The corpus with the points of a predictor's space."""
    points = points_of(corpus, predictor.space.points)
    return CorpusView(corpus, unnamed_view(corpus).names, points=points)


def right_answers(predictor: Any, corpus: Corpus, family: str) -> np.ndarray:
    """``(B,)`` 1 where the answer about a held-out item is right."""
    answers = predictor.answers(view_of(predictor, corpus), family, "test", "all", 0)
    return exact_matches(answers.texts, answers.expected)
