"""Vectors of items, users and events from texts; the work of the vectors stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import input_error
from p5rec.core.types import Corpus
from p5rec.data.entity_texts import item_texts, training_reviews, user_texts, without_words
from p5rec.data.stored_texts import StoredTexts
from p5rec.data.vector_store import AboutVectors, Entities, VectorStore
from p5rec.ids.vectors import file_vectors

from .encoder import encode
from .vectors_config import StoredVectorsConfig


def store_vectors(
    config: StoredVectorsConfig,
    corpus: Corpus,
    texts: Path | None,
    hashes: Mapping[str, str],
    folder: Path,
) -> Lineage:
    """Computes a :class:`p5rec.data.vector_store.VectorStore` and writes it into ``folder``.

    Args:
        config: the section, without its permutation.
        corpus: the data.
        texts: the folder of the texts that it names; None: it names none.
        hashes: of the texts and of the encoder's files, by name.

    Raises:
        UserError: the encoder or the file is unusable, or nothing has a text.
    """
    match config.source:
        case "texts":
            assert texts is not None, "the pipeline provides the texts"
            stored = StoredTexts.read(texts)
            keys, written = stored.usable()
            store = _encoded(config, stored.of, f"texts {config.texts}", keys, written, hashes)
        case "metadata":
            store = _of_metadata(config, corpus, hashes)
        case "reviews":
            store = _of_reviews(config, corpus, hashes)
        case _:
            store = _of_file(config, corpus, hashes)
    store.save(folder)
    return store.lineage


def permute_vectors(source: Path, seed: int, folder: Path) -> Lineage:
    """Writes the permuted copy of the store in ``source`` into ``folder``."""
    store = VectorStore.read(source).permuted(seed)
    store.save(folder)
    return store.lineage


def encode_like(about: AboutVectors, texts: Sequence[str], *, download: bool = False) -> np.ndarray:
    """``(n, d)`` vectors of further ``texts``, as those of a store were computed.

    Raises:
        UserError: see :func:`.encoder.encode`; or no encoder computed the store.
    """
    if about.encoder is None:
        raise input_error(
            f"vectors from {about.source}", "vectors of an encoder", "finished ones",
            "add the new vectors to the file",
        )  # fmt: skip
    return encode(
        texts, about.encoder, layer=about.layer, max_tokens=about.max_tokens, download=download
    )


def _encoded(
    config: StoredVectorsConfig,
    of: Entities,
    source: str,
    keys: np.ndarray,
    texts: Sequence[str],
    hashes: Mapping[str, str],
    lineage: Lineage | None = None,
) -> VectorStore:
    """The store of ``texts (n,)`` about the entities ``keys (n,)``."""
    if not len(keys):
        raise input_error(
            f"vectors from {source}", f"{of} with a text", "none", "take another source"
        )
    if config.drop_words:
        texts = without_words(texts, keys, config.drop_words, config.seed)
    about = AboutVectors(
        of=of,
        source=source,
        encoder=config.encoder,
        layer=config.layer,
        max_tokens=config.max_tokens,
        hashes=dict(hashes),
    )
    return _known(keys, encode_like(about, texts, download=True), about, lineage)


def _known(
    keys: np.ndarray, vectors: np.ndarray, about: AboutVectors, lineage: Lineage | None = None
) -> VectorStore:
    """The store of the vectors without NaN."""
    known = ~np.isnan(vectors).any(axis=1)
    return VectorStore.of(keys[known], vectors[known], about, lineage or Lineage.none())


def _of_metadata(
    config: StoredVectorsConfig, corpus: Corpus, hashes: Mapping[str, str]
) -> VectorStore:
    log, of = corpus.interactions, config.metadata or "items"
    if of == "users":
        texts = user_texts(corpus.users, config.attributes)
    else:
        texts = item_texts(corpus.catalog, config.attributes)
    keys = log.user_keys if of == "users" else log.item_keys
    known = [row for row, text in enumerate(texts) if text]
    return _encoded(config, of, "metadata", keys[known], [texts[row] for row in known], hashes)


def _of_reviews(
    config: StoredVectorsConfig, corpus: Corpus, hashes: Mapping[str, str]
) -> VectorStore:
    log, profile = corpus.interactions, corpus.split.profile
    events, reviews = training_reviews(corpus)
    if config.reviews == "users" and profile is not None:
        shown = profile[events]
        reviews = [text for text, show in zip(reviews, shown, strict=True) if show]
        events = events[shown]
    lineage = Lineage(log.event_keys[events])
    keys = log.event_keys[events]
    store = _encoded(config, "events", "reviews", keys, reviews, hashes, lineage)
    if config.reviews == "events":
        return store
    users = config.reviews == "users"
    of_event, all_keys = (log.users, log.user_keys) if users else (log.items, log.item_keys)
    rows, member = np.unique(of_event[events], return_inverse=True)
    sums = np.zeros((len(rows), store.width))
    np.add.at(sums, member, store.rows(keys))
    vectors = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    about = store.about.model_copy(update={"of": config.reviews})
    return _known(all_keys[rows], vectors.astype(np.float32), about, lineage)


def _of_file(config: StoredVectorsConfig, corpus: Corpus, hashes: Mapping[str, str]) -> VectorStore:
    assert config.file is not None
    log, users = corpus.interactions, config.file.of == "users"
    ids, keys = (corpus.user_ids, log.user_keys) if users else (corpus.catalog.ids, log.item_keys)
    vectors = file_vectors(Path(config.file.path), ids, "user" if users else "item")
    about = AboutVectors(of=config.file.of, source="file", hashes=dict(hashes))
    return _known(keys, vectors, about)
