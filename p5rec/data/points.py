"""Points of a vector space: items and users with vectors, some of them held out.

N items, U users, B points, d width.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from p5rec.core.rng import by_key
from p5rec.core.types import TEST, TRAIN, VALID, Corpus

# shares of items, and of users, that no training prompt is about
TESTED, VALIDATED = 0.1, 0.05
BATCH = 1024  # points compared with all items at a time


@dataclass(frozen=True, eq=False)
class Points:
    """The vectors of items and users in one space.

    Attributes:
        items: ``(N, d)`` float32; NaN for an item without a vector.
        users: ``(U, d)`` float32; NaN for a user without one.
        item_split, user_split: ``(N,)`` and ``(U,)`` int8 of ``TRAIN``, ``VALID``, ``TEST``: the
            prompts that an item or a user is in.
    """

    items: np.ndarray
    users: np.ndarray
    item_split: np.ndarray
    user_split: np.ndarray

    @classmethod
    def of(cls, corpus: Corpus, items: np.ndarray, liked: np.ndarray) -> Points:
        """The space of ``items (N, d)``. A user is the mean of the items of the user's liked
        training events, or of all training events where none is liked.

        The split of items and users follows the seeded order of their keys.

        Args:
            corpus: the data.
            items: NaN for an item without a vector.
            liked: ``(E,)`` bool, events that the user liked.
        """
        log = corpus.interactions
        train = (corpus.split.of_event == TRAIN) & np.isfinite(items).all(1)[log.items]
        users = means(items, log.users, log.items, train, log.n_users)
        best = means(items, log.users, log.items, train & liked, log.n_users)
        users = np.where(np.isnan(best), users, best)
        splits = (split_of(keys) for keys in (log.item_keys, log.user_keys))
        return cls(items.astype(np.float32), users, *splits)

    @property
    def width(self) -> int:
        """d."""
        return int(self.items.shape[1])

    @cached_property
    def known_items(self) -> np.ndarray:
        """``(N,)`` bool: items with a vector."""
        return np.asarray(np.isfinite(self.items).all(axis=1))

    @cached_property
    def known_users(self) -> np.ndarray:
        """``(U,)`` bool: users with a vector."""
        return np.asarray(np.isfinite(self.users).all(axis=1))

    @cached_property
    def trained_items(self) -> np.ndarray:
        """The items that have a vector and are not held out, ascending."""
        return np.flatnonzero(self.known_items & (self.item_split == TRAIN))

    @cached_property
    def _unit(self) -> np.ndarray:
        """``(M, d)`` the trained items' vectors at length 1."""
        return unit(self.items[self.trained_items])

    def nearest(self, points: np.ndarray, k: int) -> np.ndarray:
        """``(B, k)``: the trained items with the highest cosine to ``points (B, d)``, best first.

        Args:
            points: any points.
            k: at most the number of trained items.
        """
        rows = np.empty((len(points), min(k, len(self.trained_items))), np.int64)
        for at in range(0, len(points), BATCH):
            cosines = unit(points[at : at + BATCH]) @ self._unit.T
            rows[at : at + BATCH] = np.argsort(-cosines, axis=1, kind="stable")[:, : rows.shape[1]]
        return self.trained_items[rows]

    @cached_property
    def neighbours(self) -> np.ndarray:
        """``(N, 9)`` the trained items nearest to each item, itself excluded, best first; -1 after
        the last one, and for an item without a vector."""
        found = np.full((len(self.items), 10), -1, np.int64)
        known = np.flatnonzero(self.known_items)
        nearest = self.nearest(self.items[known], 10)
        found[known, : nearest.shape[1]] = nearest
        own = found == np.arange(len(found))[:, None]
        order = np.argsort(own, axis=1, kind="stable")
        found = np.where(own, -1, found)
        return np.take_along_axis(found, order, axis=1)[:, :9]


def split_of(keys: np.ndarray) -> np.ndarray:
    """``(n,)`` int8: the split of the entities with ``keys (n,)``, at least one in each held-out
    split. Removing an entity moves at most one other into each of them."""
    order, split = by_key(keys, 0, "held-out points"), np.full(len(keys), TRAIN, np.int8)
    tested, validated = (max(1, int(share * len(keys))) for share in (TESTED, VALIDATED))
    split[order[:tested]] = TEST
    split[order[tested : tested + validated]] = VALID
    return split


def unit(vectors: np.ndarray) -> np.ndarray:
    """``vectors (n, d)`` at length 1; zeros stay."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1))


def means(
    vectors: np.ndarray, groups: np.ndarray, rows: np.ndarray, chosen: np.ndarray, n: int
) -> np.ndarray:
    """``(n, d)`` float32: the mean of the vectors of each group's events; NaN without any.

    Args:
        vectors: ``(N, d)``.
        groups: ``(E,)`` the group of each event.
        rows: ``(E,)`` the vector of each event.
        chosen: ``(E,)`` bool, the events that count.
        n: number of groups.
    """
    sums, counts = np.zeros((n, vectors.shape[1])), np.bincount(groups[chosen], minlength=n)
    np.add.at(sums, groups[chosen], vectors[rows[chosen]])
    with np.errstate(invalid="ignore"):
        return (sums / np.where(counts, counts, np.nan)[:, None]).astype(np.float32)
