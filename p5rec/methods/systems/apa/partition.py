"""Partitions of the training examples into shards. R examples, K shards, D width of an embedding.

``user``, ``random`` and ``strict`` are functions of one example alone, and ``items`` of an example
and the titles of the catalogue. So an example that goes moves no other. They differ in what becomes
of an example that loses an event of its history: under ``random`` it is another example, which may
move; under the others it stays in its shard.

The centres of ``semantic`` depend on all examples, and its limit on their order. Forgetting stays
exact because the partition is computed again from nothing, on the remaining examples: each shard
whose examples changed has another key and is trained again. So one request may touch every shard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

import numpy as np

from p5rec.core.rng import combined, derive_seed, keyed
from p5rec.ids.clusters import cluster

if TYPE_CHECKING:
    from .examples import Examples

STRICT = 0  # the seed of strict shards, in every run


def keyed_shards(
    kind: Literal["user", "random", "strict"], examples: Examples, shards: int, seed: int
) -> np.ndarray:
    """``(R,)`` int64 the shard of each example, a hash; shards have about equal sizes.

    Args:
        kind: ``user``: a hash of the user's key. ``random``: of all that the example shows, its
            prompt and events. ``strict``: of the keys of user and target event, never of its
            content, and the same under every seed.
        examples: R examples.
        shards: K.
        seed: of ``user`` and ``random``.
    """
    match kind:
        case "user":
            drawn = keyed(examples.users, seed, "user shards")
        case "strict":
            drawn = keyed(combined(examples.users, examples.keys), STRICT, "strict shards")
        case _:
            drawn = keyed(_content(examples), seed, "random shards")
    return (drawn % np.uint64(shards)).astype(np.int64)


def _content(examples: Examples) -> np.ndarray:
    """``(R,)`` uint64: a hash of all that each example shows."""
    hashes = [
        blake2b(prompt.encode() + events.astype("<u8").tobytes(), digest_size=8).digest()
        for prompt, events in zip(examples.prompts, examples.events, strict=True)
    ]
    shown = np.frombuffer(b"".join(hashes), dtype=">u8").astype(np.uint64)
    return combined(shown, examples.keys)


def embedded_shards(embeddings: np.ndarray, shards: int, seed: int) -> np.ndarray:
    """``(R,)`` int64 the shard of each example: balanced clusters (Hu et al. 2024, algorithm 1).

    Args:
        embeddings: ``(R, D)`` float32 unit vectors, in the order of the examples' keys.
        shards: K; a shard has at most R / K examples, rounded up.
        seed: of the initial centres of k-means.
    """
    shards = min(shards, len(embeddings))
    _, centres = cluster(embeddings, shards, derive_seed(seed, "semantic shards") % 2**32)
    centres = centres / np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    return balanced(1 - embeddings @ centres.T, -(-len(embeddings) // shards))


def titled_shards(
    own: Sequence[str],
    titles: Sequence[str],
    embed: Callable[[Sequence[str]], np.ndarray],
    shards: int,
    seed: int,
) -> np.ndarray:
    """``(R,)`` int64 the shard of each example: the cluster of the title in question.

    The clusters are semantic as those of the paper, but they are made of the catalogue and read no
    event, so they stay when events go. They have equal numbers of titles, not of examples.

    Args:
        own: R titles, of the items in question.
        titles: of the catalogue.
        embed: titles → ``(n, D)`` float32 unit vectors.
        shards: K.
        seed: of the initial centres of k-means.
    """
    distinct = sorted({*titles})
    number = {title: n for n, title in enumerate(distinct)}
    return embedded_shards(embed(distinct), shards, seed)[[number[title] for title in own]]


def balanced(distances: np.ndarray, most: int) -> np.ndarray:
    """``(R,)`` int64: each row's column, where each column takes at most ``most`` rows.

    Pairs are taken by ascending distance, if row and column are still free: algorithm 1, lines 4 to
    10. That is the stable matching in which rows and columns prefer small distances, which is
    unique without ties, so it is found by rounds of proposals over all rows at once.

    Args:
        distances: ``(R, K)``; ties go to the lower column and the earlier row.
        most: at least R / K.
    """
    rows, columns = distances.shape
    preferred = np.argsort(distances, axis=1, kind="stable")
    tried = np.zeros(rows, np.int64)
    while True:
        asked = preferred[np.arange(rows), tried]
        order = np.lexsort((distances[np.arange(rows), asked], asked))
        starts = np.searchsorted(asked[order], np.arange(columns))
        place = np.empty(rows, np.int64)
        place[order] = np.arange(rows) - starts[asked[order]]
        refused = place >= most
        if not refused.any():
            return asked
        tried[refused] += 1
