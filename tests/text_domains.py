"""Domains of synthetic items whose text vectors show their topic, and users who follow a law."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import derive_rng
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.vector_store import AboutVectors, VectorStore

TOPICS, PER_TOPIC, WIDTH = 40, 5, 48
NOISE = 0.3  # norm of the part of a text vector that is the item's own


def law(domain: str, *, shared: bool) -> np.ndarray:
    """``(TOPICS,)`` the topic that follows each: one cycle for all domains, or one for each."""
    names = ("law",) if shared else ("law", domain)
    cycle = derive_rng(0, *names).permutation(TOPICS)
    after = np.empty(TOPICS, dtype=np.int64)
    after[cycle] = np.roll(cycle, -1)
    return after


def write_log(
    folder: Path, domain: str, after: np.ndarray, users: int, events: int = 8, p: float = 0.9
) -> Path:
    """Writes the histories of ``users`` as lines of ids.

    The topic of an event follows the topic before it with probability p, else it is drawn at
    random. The item is drawn from the items of the topic.
    """
    rng = derive_rng(1, domain)
    topics = np.empty((users, events), dtype=np.int64)
    topics[:, 0] = rng.integers(TOPICS, size=users)
    for n in range(1, events):
        random = rng.integers(TOPICS, size=users)
        topics[:, n] = np.where(rng.random(users) < p, after[topics[:, n - 1]], random)
    items = topics * PER_TOPIC + rng.integers(PER_TOPIC, size=topics.shape)
    path = folder / f"{domain}.txt"
    lines = [
        f"{domain}-u{u} " + " ".join(f"{domain}-{i}" for i in row) for u, row in enumerate(items)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def corpus_of(path: Path) -> Corpus:
    """The corpus of a log that :func:`write_log` wrote."""
    return build(DataConfig(source="sequences", path=str(path), dedupe="none"))[0]


def text_vectors(corpus: Corpus, encoder: str = "minilm") -> VectorStore:
    """A vector of each item: the direction of its topic, the same in all domains, and noise."""
    directions = derive_rng(2, "topics").normal(size=(TOPICS, WIDTH))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    numbers = [int(item.rpartition("-")[2]) for item in corpus.catalog.ids]
    noise = np.stack([derive_rng(3, item).normal(size=WIDTH) for item in corpus.catalog.ids])
    vectors = directions[np.array(numbers) // PER_TOPIC] + NOISE * noise / WIDTH**0.5
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    about = AboutVectors(of="items", source="metadata", encoder=encoder)
    return VectorStore.of(
        corpus.interactions.item_keys, vectors.astype(np.float32), about, Lineage.none()
    )
