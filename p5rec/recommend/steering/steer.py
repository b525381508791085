"""Steered ranked lists: what a recommender ranks, moved by terms.

B requests, N items, K list length, P depth.

A recommender's scores have no common scale, so steering works on positions. An item at position p
of the recommender's list with utility u gets the key ln p - u ln 10, and the smallest keys win: an
item that matches once competes with items ten times further up. Strict terms exclude items before
the recommender ranks. More utility never moves an item down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from p5rec.core.types import Histories, RankedLists
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.tasks.wishes.wish import Sign, Term

from ..protocols import Recommender

DEPTH = 100  # positions of the recommender's own list that are read, at least
PER_ITEM = 5  # ... and for each item of the list
LEVELS = 6  # of utility
CELLS = 2**24  # items of all requests of a block
TENFOLD = float(np.log(10))  # of a position, per unit of utility


@dataclass(frozen=True, eq=False)
class Steering:
    """What moves the items, and which are excluded.

    Attributes:
        utility: ``(N,)`` for all requests, or ``(B, N)``, float32.
        allowed: ``(N,)`` or ``(B, N)`` bool; None: all.
    """

    utility: np.ndarray
    allowed: np.ndarray | None = None

    @classmethod
    def of_each(cls, terms: Sequence[Sequence[Term]], n_items: int) -> Steering:
        """The steering of B requests by the terms of each, which may be none."""
        utility = np.zeros((len(terms), n_items), dtype=np.float32)
        allowed = np.ones((len(terms), n_items), dtype=bool)
        for row, own in enumerate(terms):
            if own:
                one = cls.of(own)
                utility[row] = one.utility
                allowed[row] = True if one.allowed is None else one.allowed
        return cls(utility, None if allowed.all() else allowed)

    @classmethod
    def of(cls, terms: Sequence[Term]) -> Steering:
        """The sum of at least one term.

        An item excluded by one term is excluded. Where values of one attribute are the only ones
        wanted, an item needs one of them; and one for each such attribute.
        """
        utility = np.zeros(terms[0].items.shape, dtype=np.float32)
        allowed = np.ones(terms[0].items.shape, dtype=bool)
        wanted, none = dict[str, np.ndarray](), np.zeros_like(allowed)
        for term in terms:
            if not term.strict:
                utility += term.sign.direction * term.items
            elif term.sign is Sign.NONE:
                allowed &= term.items <= 0
            else:
                name = term.key[0] if term.key else term.meaning
                wanted[name] = wanted.get(name, none) | (term.items > 0)
        for matching in wanted.values():
            np.logical_and(allowed, matching, out=allowed)
        return cls(utility, None if allowed.all() else allowed)

    def restrict(self, allowed: Allowed | None) -> Allowed | None:
        """``allowed`` without the excluded items."""
        if self.allowed is None:
            return allowed
        if self.allowed.ndim == 1:
            own = Allowed(candidates=self.allowed)
        else:
            own = Allowed(deny=ItemLists.joined([np.flatnonzero(~row) for row in self.allowed]))
        return own if allowed is None else allowed & own

    def take(self, rows: np.ndarray) -> Steering:
        """The steering of the requests ``rows``."""
        if self.utility.ndim == 1:
            return self
        allowed = self.allowed
        return Steering(
            self.utility[rows], allowed if allowed is None or allowed.ndim == 1 else allowed[rows]
        )


def depth_of(k: int) -> int:
    """P: the length of the list that a recommender makes for a steered one of ``k`` items."""
    return max(DEPTH, PER_ITEM * k)


@dataclass(frozen=True, eq=False)
class Steered:
    """A recommender whose lists are steered.

    Candidates of a request are the best P items of the recommender, and its best K among the items
    of each level of utility or above. Levels are the positive utilities, or, if there are more than
    ``LEVELS``, as many even steps up to the largest.

    Attributes:
        recommender: any; able to make lists of :func:`depth_of` items.
        steering: over the recommender's N items.
    """

    recommender: Recommender
    steering: Steering

    def recommend(
        self,
        histories: Histories,
        k: int,
        *,
        exclude_seen: bool = True,
        allowed: Allowed | None = None,
    ) -> RankedLists:
        """The steered lists of B requests; scores are ``u ln 10 - ln p``.

        See :meth:`p5rec.recommend.protocols.Recommender.recommend`.
        """
        n_items = self.steering.utility.shape[-1]
        step = max(1, CELLS // n_items)
        items = np.full((len(histories), k), -1, dtype=np.int32)
        scores = np.full((len(histories), k), -np.inf, dtype=np.float32)
        for start in range(0, len(histories), step):
            rows = np.arange(start, min(start + step, len(histories)))
            steering = self.steering.take(rows)
            own = steering.restrict(None if allowed is None else allowed.take(rows))
            search = _Search(self.recommender, histories.take(rows), exclude_seen, own)
            items[rows], scores[rows] = _steered(search, k, steering)
        return RankedLists(histories.users, items, scores)


@dataclass(frozen=True, eq=False)
class _Search:
    recommender: Recommender
    histories: Histories
    exclude_seen: bool
    allowed: Allowed | None

    def best(self, k: int) -> np.ndarray:
        """``(B, k)`` items in the recommender's order; -1 where fewer remain."""
        return self._items(self.histories, k, self.allowed)

    def best_of(self, chosen: np.ndarray, k: int) -> np.ndarray:
        """``(B, k)`` the best of the items ``chosen``, ``(N,)`` or ``(B, N)`` bool."""
        n_requests, n_items = len(self.histories), chosen.shape[-1]
        out = np.full((n_requests, k), -1, dtype=np.int32)
        if chosen.ndim == 1:
            own = Allowed(candidates=chosen)
            both = own if self.allowed is None else self.allowed & own
            some = both.counts(n_requests, n_items) > 0
        else:
            masks = chosen
            if self.allowed is not None:
                masks = np.logical_and(chosen, self.allowed.mask(n_requests, n_items))
            both = Allowed(allow=ItemLists.joined([np.flatnonzero(mask) for mask in masks]))
            some = masks.sum(axis=1) > 0
        rows = np.flatnonzero(some)
        if len(rows):
            out[rows] = self._items(self.histories.take(rows), k, both.take(rows))
        return out

    def _items(self, histories: Histories, k: int, allowed: Allowed | None) -> np.ndarray:
        lists = self.recommender.recommend(
            histories, k, exclude_seen=self.exclude_seen, allowed=allowed
        )
        return lists.items


def _steered(search: _Search, k: int, steering: Steering) -> tuple[np.ndarray, np.ndarray]:
    """``(B, k)`` items and scores."""
    utility, depth = steering.utility, depth_of(k)
    matching = [search.best_of(utility >= level, k) for level in _levels(utility)]
    items = np.concatenate([search.best(depth), *matching], axis=1)
    position = np.minimum(np.arange(items.shape[1]), depth) + 1
    each = np.broadcast_to(utility, (len(items), utility.shape[-1]))
    own = np.take_along_axis(each, np.maximum(items, 0), axis=1)
    keys = np.log(position) - TENFOLD * own
    keys[(items < 0) | _repeated(items)] = np.inf
    best = np.argsort(keys, axis=1, kind="stable")[:, :k]
    keys = np.take_along_axis(keys, best, axis=1)
    items = np.where(np.isfinite(keys), np.take_along_axis(items, best, axis=1), -1)
    return items, 0 - keys


def _levels(utility: np.ndarray) -> list[np.ndarray]:
    """The levels, highest first: at most ``LEVELS`` arrays ``()`` or ``(B, 1)``; infinite where a
    request has fewer."""
    rows = np.atleast_2d(utility)
    table = np.full((len(rows), LEVELS), np.inf, dtype=np.float32)
    for row, own in zip(table, rows, strict=True):
        distinct = np.unique(own[own > 0])[::-1]
        if len(distinct) > LEVELS:
            distinct = distinct[0] * np.arange(LEVELS, 0, -1, dtype=np.float32) / LEVELS
        row[: len(distinct)] = distinct
    used = table[:, np.isfinite(table).any(axis=0)]
    return [column[0] if utility.ndim == 1 else column[:, None] for column in used.T]


def _repeated(items: np.ndarray) -> np.ndarray:
    """``(B, M)`` bool: entries whose item stands earlier in the same row."""
    order = np.argsort(items, axis=1, kind="stable")
    sorted_items = np.take_along_axis(items, order, axis=1)
    again = np.zeros(items.shape, dtype=bool)
    again[:, 1:] = sorted_items[:, 1:] == sorted_items[:, :-1]
    out = np.empty_like(again)
    np.put_along_axis(out, order, again, axis=1)
    return out
