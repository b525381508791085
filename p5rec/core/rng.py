"""Random streams that depend on their purpose, not on call order or process.

A draw about a user, an item or an event is a hash of its external id, so other users and items do
not change it. :func:`id_keys` hashes the text of an id once; further draws are vectorised
arithmetic on these keys. Draws about no single id (initial weights, batch order) use
:func:`derive_rng`.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

STEP = np.uint64(0x9E3779B97F4A7C15)
_ALL = 2**64


def derive_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the purpose ``names`` under the run's ``seed``.

    Two purposes never share a stream. The result does not depend on the order of the calls, so it
    does not depend on the number of workers or processes.
    """
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def derive_rng(seed: int, *names: str | int) -> np.random.Generator:
    """A numpy generator for the purpose ``names`` (see :func:`derive_seed`)."""
    return np.random.default_rng(derive_seed(seed, *names))


def id_keys(ids: Iterable[object]) -> np.ndarray:
    """``(n,)`` uint64: a BLAKE2b hash of the text of each external id."""
    texts = (str(name).encode() for name in ids)
    digests = b"".join(blake2b(text, digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def event_keys(
    users: np.ndarray, items: np.ndarray, times: np.ndarray, rank: np.ndarray | None = None
) -> np.ndarray:
    """``(E,)`` uint64: keys of events by user, item, time and occurrence among equal events.

    Args:
        users, items: ``(E,)`` uint64, the keys of the events' users and items.
        times: ``(E,)`` int64.
        rank: ``(E,)`` the order of equal events; None keeps their order.
    """
    alike = combined(users, items, times.astype(np.int64).view(np.uint64))
    return combined(alike, occurrence(alike, rank).view(np.uint64))


def occurrence(values: np.ndarray, rank: np.ndarray | None = None) -> np.ndarray:
    """``(n,)`` int64: the number of earlier entries with the same value.

    Args:
        values: ``(n,)``.
        rank: ``(n,)`` the order of entries; None keeps their order.
    """
    out = np.zeros(len(values), dtype=np.int64)
    ranked = np.sort(values)
    if not (ranked[1:] == ranked[:-1]).any():
        return out
    order = np.argsort(values, kind="stable") if rank is None else np.lexsort((rank, values))
    out[order] = np.arange(len(values)) - np.searchsorted(ranked, ranked)
    return out


def combined(*keys: np.ndarray) -> np.ndarray:
    """``(n,)`` uint64: one key for each tuple of ``keys``, uint64 arrays of length n or 1."""
    result = mixed(keys[0])
    for more in keys[1:]:
        result = mixed(result * STEP ^ more)
    return result


def keyed(keys: np.ndarray, seed: int, *names: str | int) -> np.ndarray:
    """``(n,)`` uint64: one uniform draw for each of ``keys (n,)``, for one purpose.

    An entry depends only on its key, ``seed`` and ``names``.
    """
    return mixed(keys ^ np.uint64(derive_seed(seed, *names)))


def uniform(hashes: np.ndarray) -> np.ndarray:
    """Uniform hashes ``(n,)`` as ``(n,)`` float64 in [0, 1)."""
    return (hashes >> np.uint64(11)) * 2.0**-53


def by_key(keys: np.ndarray, seed: int, *names: str | int) -> np.ndarray:
    """The indices ``(n,)`` of ``keys`` in the seeded order of their hashes.

    The relative order of two keys does not depend on the other keys.
    """
    return np.argsort(keyed(keys, seed, *names), kind="stable")


def others(keys: np.ndarray, seed: int, *names: str | int) -> np.ndarray:
    """``(n,)`` int64, a permutation without a fixed point: for each of ``keys`` the index of
    another, the one before it in the order of :func:`by_key`."""
    order = by_key(keys, seed, *names)
    out = np.empty_like(order)
    out[order] = np.roll(order, 1)
    return out


def ranks(keys: np.ndarray, seed: int, *names: str | int) -> np.ndarray:
    """``(n,)`` int64, a permutation: the rank of each key in the order of :func:`by_key`."""
    order = np.empty(len(keys), dtype=np.int64)
    order[by_key(keys, seed, *names)] = np.arange(len(keys))
    return order


def sampled(keys: np.ndarray, n: int, seed: int, *names: str | int) -> np.ndarray:
    """Indices of a sample of at most ``n`` of ``keys``, ascending: the first ``n`` of
    :func:`by_key`.

    Removing a sampled key adds one other key to the sample and changes nothing else.
    """
    return np.sort(smallest(keyed(keys, seed, *names), n))


def smallest(hashes: np.ndarray, n: int) -> np.ndarray:
    """The indices of the ``n`` smallest of uniform ``hashes``, smallest first."""
    if 8 * (n + 8) < len(hashes):  # sort only the few hashes below a bound
        few = np.flatnonzero(hashes < np.uint64(2 * (n + 8) * _ALL // len(hashes)))
        if len(few) >= n:
            return few[np.argsort(hashes[few], kind="stable")[:n]]
    return np.argsort(hashes, kind="stable")[:n]


def tie_order(item_keys: np.ndarray, seed: int) -> np.ndarray:
    """The seeded permutation ``(N,)`` by which every method breaks ties in scores.

    Of two items with equal scores the one with the smaller value ranks first. The order depends
    only on their external ids and the seed.

    Args:
        item_keys: ``(N,)``, see :func:`id_keys`.
    """
    return ranks(item_keys, seed, "ties")


def mixed(state: np.ndarray) -> np.ndarray:
    """The output function of SplitMix64 (Steele et al., OOPSLA 2014), elementwise on uint64."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    output: np.ndarray = state ^ (state >> np.uint64(31))
    return output
