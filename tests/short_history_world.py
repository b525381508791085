"""A synthetic log of users with short histories, and a table that knows what each of them likes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from even_log import even_corpus

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import derive_rng
from p5rec.core.types import Corpus
from p5rec.data.vector_store import AboutVectors, VectorStore
from p5rec.methods.base import Method

TOPICS, WIDTH = 6, 8
NOISE = 0.1  # share of the labels that are flipped


class ShortHistoryWorld(NamedTuple):
    """A log, and its latent topics.

    Attributes:
        corpus: each user has labelled events; the first is a profile event, the last two are for
            validation and test. A label is 1 if the item has the user's topic.
        users, items: ``(U,)`` and ``(N,)`` topics.
        seed: of all draws.
    """

    corpus: Corpus
    users: np.ndarray
    items: np.ndarray
    seed: int

    def save_vectors(self, folder: Path, *, known: bool = True) -> None:
        """Writes the stores ``items``, ``synthetic`` and ``permuted synthetic``.

        Args:
            folder: receives them.
            known: a user's synthetic item has the user's topic; else it has one drawn at random.
        """
        log, rng = self.corpus.interactions, derive_rng(self.seed, "vectors")
        directions = rng.normal(size=(TOPICS, WIDTH))
        topics = self.users if known else rng.integers(TOPICS, size=len(self.users))
        for name, of, keys, shown in (
            ("items", "items", log.item_keys, self.items),
            ("synthetic", "users", log.user_keys, topics),
        ):
            vectors = directions[shown] + rng.normal(size=(len(shown), WIDTH)) / 4
            about = AboutVectors(of=of, source="file")
            store = VectorStore.of(keys, vectors.astype(np.float32), about, Lineage.none())
            store.save(folder / name)
            store.permuted(self.seed).save(folder / f"permuted {name}")


def short_history_world(
    seed: int = 0, *, users: int = 150, items: int = 120, events: int = 9
) -> ShortHistoryWorld:
    """A :class:`ShortHistoryWorld`."""
    rng = derive_rng(seed, "short histories")
    taste, topic = rng.integers(TOPICS, size=users), np.arange(items) % TOPICS
    liked = rng.random((users, events)) < 0.5
    chosen = np.array(
        [
            rng.choice(np.flatnonzero((topic == taste[user]) == like))
            for user in range(users)
            for like in liked[user]
        ]
    )
    labels = (liked ^ (rng.random(liked.shape) < NOISE)).astype(np.int8)
    corpus = even_corpus(chosen, users, items, labels=labels.ravel(), profile=True)
    return ShortHistoryWorld(corpus, taste, topic, seed)


def fitted(method: Method, corpus: Corpus, vectors: Path, folder: Path) -> Any:
    """The predictor of ``method``, fitted into ``folder`` with the stores in ``vectors``."""
    folder.mkdir()
    inputs = {name: vectors / name.removeprefix("vectors.") for name in method.needs(0)}
    method.fit(corpus, folder, seed=0, inputs=inputs)
    return method.load(folder)
