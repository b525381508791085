"""A synthetic log in which topics decide who clicks, and vectors that know the topics."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from p5rec.core.artefacts import Lineage
from p5rec.core.features import Users
from p5rec.core.rng import derive_rng, id_keys
from p5rec.core.types import Catalog, Corpus, Interactions, Split
from p5rec.data.click_instances import ClickInstances, click_instances
from p5rec.data.vector_store import AboutVectors, VectorStore
from p5rec.methods.base import Method

TOPICS, WIDTH = 8, 16
NOISE = 0.1  # share of the labels that are flipped


class KnowledgeWorld(NamedTuple):
    """A log, and the topic that the vectors of each user and item show.

    Attributes:
        corpus: each user has labelled events with a few items; the last ones are for validation
            and test. A label is 1 if the topic of the item is in the same half as the user's.
        users, items: ``(U,)`` and ``(N,)`` topics.
        seed: of all draws.
    """

    corpus: Corpus
    users: np.ndarray
    items: np.ndarray
    seed: int

    def save_vectors(self, folder: Path, *, known: bool = True) -> None:
        """Writes stores named ``users`` and ``items``, and copies that are permuted.

        Args:
            folder: receives them.
            known: the vectors show the topics; else they show topics drawn at random.
        """
        log = self.corpus.interactions
        directions = derive_rng(self.seed, "directions").normal(size=(TOPICS, WIDTH))
        for of, topics, keys in (
            ("users", self.users, log.user_keys),
            ("items", self.items, log.item_keys),
        ):
            rng = derive_rng(self.seed, of)
            shown = topics if known else rng.integers(TOPICS, size=len(topics))
            vectors = directions[shown] + rng.normal(size=(len(topics), WIDTH)) / 2
            about = AboutVectors(of=of, source="file")
            store = VectorStore.of(keys, vectors.astype(np.float32), about, Lineage.none())
            store.save(folder / of)
            store.permuted(self.seed).save(folder / f"{of} permuted")


def knowledge_world(
    users: int, items: int, events: int, *, tested: int = 1, seed: int = 0
) -> KnowledgeWorld:
    """A :class:`KnowledgeWorld`.

    Args:
        users, items: the number of each.
        events: of each user.
        tested: events of each user for validation, and for test.
        seed: of all draws.
    """
    rng = derive_rng(seed, "knowledge world")
    taste, topic = rng.integers(TOPICS, size=users), rng.integers(TOPICS, size=items)
    owner = np.repeat(np.arange(users), events)
    chosen = np.concatenate([rng.permutation(items)[:events] for _ in range(users)])
    liked = taste[owner] % 2 == topic[chosen] % 2
    labels = (liked ^ (rng.random(len(owner)) < NOISE)).astype(np.int8)
    user_ids, item_ids = [f"u{n}" for n in range(users)], [f"i{n}" for n in range(items)]
    place = np.tile(np.arange(events), users)
    log = Interactions(
        users=owner.astype(np.int32),
        items=chosen.astype(np.int32),
        times=place.astype(np.int64),
        ratings=None,
        user_keys=id_keys(user_ids),
        item_keys=id_keys(item_ids),
        texts={},
        labels=labels,
        dated=False,
    )
    later = (events - 1 - place) // tested  # 0 for test, 1 for validation
    of_event = np.maximum(2 - later, 0)
    corpus = Corpus(
        log,
        Catalog(pa.table({"item": item_ids, "title": item_ids})),
        Users(pa.table({"user": user_ids})),
        Split("last", of_event.astype(np.int8)),
    )
    return KnowledgeWorld(corpus, taste, topic, seed)


def fitted(method: Method, corpus: Corpus, vectors: Path, folder: Path, suffix: str = "") -> Any:
    """The predictor of ``method``, fitted into ``folder``.

    Args:
        method: without a grid.
        corpus: the log.
        vectors: the folder with the stores.
        folder: receives the model.
        suffix: of the stores' folders.
    """
    folder.mkdir()
    inputs = {name: vectors / f"{name.rpartition('.')[2]}{suffix}" for name in method.needs(0)}
    method.fit(corpus, folder, seed=0, inputs=inputs)
    return method.load(folder)


def held_out(corpus: Corpus) -> ClickInstances:
    """The test instances."""
    return click_instances(corpus, "test", 0)
