"""Facts about a user in plain language, with the events that they come from.

E events, N items, V values, n events of the user.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from p5rec.core.types import Corpus
from p5rec.tasks.wishes.vocabulary import Vocabulary
from p5rec.tasks.wishes.wish import Sign, Term

LEAST = 3  # events of a fact
SURE = 2.0  # standard errors from what is usual
MOST = 10  # facts of a user that events give


@dataclass(frozen=True, eq=False)
class Fact:
    """A statement about a user.

    Attributes:
        id: names it for the user: ``genres:Comedy``, or ``p1``, ``p2`` for what a person wrote.
        text: the statement.
        source: ``events`` or ``person``.
        events: ``(m,)`` row numbers of the events that it comes from, in time order.
        terms: what it asks for.
    """

    id: str
    text: str
    source: str
    events: np.ndarray
    terms: tuple[Term, ...]


@dataclass(frozen=True, eq=False)
class EventFacts:
    """Finds facts in the events of users.

    A user often chooses a value if its share of their events exceeds its share of all events by
    ``SURE`` standard errors (binomial). A user rates a value high or low if the mean of its ratings
    differs by as much from the mean of their others. Either needs ``LEAST`` events.

    Attributes:
        corpus: the data, E events.
        vocabulary: of its items, V values.
    """

    corpus: Corpus
    vocabulary: Vocabulary = field(repr=False)

    def of(self, user: int) -> list[Fact]:
        """The facts of a user by row number, the surest first, at most ``MOST``."""
        log = self.corpus.interactions
        first, last = log.offsets[user : user + 2].tolist()
        rows = np.arange(first, last)[log.is_target[first:last]]
        matches = self._matches(log.items[rows])
        scored = [*self._often(rows, matches), *self._rated(rows, matches)]
        scored.sort(key=lambda pair: (-pair[0], pair[1].id))
        return [fact for _, fact in scored[:MOST]]

    def _often(self, rows: np.ndarray, matches: np.ndarray) -> list[tuple[float, Fact]]:
        n, usual = len(rows), self._usual
        counts = matches.sum(axis=1)
        spread = np.sqrt(np.maximum(n * usual * (1 - usual), 1e-12))
        sure = (counts - n * usual) / spread
        found = np.flatnonzero((counts >= LEAST) & (sure >= SURE))
        return [
            (float(sure[at]), self._fact(
                at, Sign.MORE, rows[matches[at]], "",
                f"often chooses {{}}: {counts[at]} of {n} items; {usual[at]:.0%} of all events",
            ))
            for at in found.tolist()
        ]  # fmt: skip

    def _rated(self, rows: np.ndarray, matches: np.ndarray) -> list[tuple[float, Fact]]:
        if self.corpus.interactions.ratings is None:
            return []
        ratings = self.corpus.interactions.ratings[rows].astype(np.float64)
        known = np.isfinite(ratings)
        own, others = matches & known, ~matches & known
        (count, mean, error), (count_other, mean_other, error_other) = (
            _moments(mask, np.where(known, ratings, 0)) for mask in (own, others)
        )
        enough = (count >= LEAST) & (count_other >= LEAST)
        spread = np.sqrt(np.maximum(error + error_other, 1e-12))
        sure = np.where(enough, (mean - mean_other) / spread, 0)
        return [
            (float(abs(sure[at])), self._fact(
                at, Sign.MORE if sure[at] > 0 else Sign.LESS, rows[own[at]], ":rated",
                f"rates {{}} {'high' if sure[at] > 0 else 'low'}: {mean[at]:.1f} on average over "
                f"{count[at]} items; {mean_other[at]:.1f} over the others",
            ))
            for at in np.flatnonzero(np.abs(sure) >= SURE).tolist()
        ]  # fmt: skip

    def _fact(self, at: int, sign: Sign, events: np.ndarray, suffix: str, text: str) -> Fact:
        value = self.vocabulary.values[at]
        key = (value.attribute, value.value)
        meaning = f"{value.attribute} {value.value}"
        items = self.vocabulary.mask([value])
        term = Term(value.value, sign, meaning, items, key=key)
        return Fact(f"{':'.join(key)}{suffix}", text.format(meaning), "events", events, (term,))

    @cached_property
    def _pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """The items and the values ``(S,)`` of all pairs, by item."""
        values = self.vocabulary.values
        items = np.concatenate([np.empty(0, np.int64), *(value.rows for value in values)])
        which = np.repeat(np.arange(len(values)), [len(value.rows) for value in values])
        order = np.argsort(items, kind="stable")
        return items[order], which[order]

    @cached_property
    def _usual(self) -> np.ndarray:
        """``(V,)``: the share of all E events whose item has each value."""
        log = self.corpus.interactions
        items, values = self._pairs
        events = np.bincount(log.items[log.is_target], minlength=log.n_items)
        hits = np.bincount(values, events[items], minlength=len(self.vocabulary.values))
        return hits / max(int(events.sum()), 1)

    def _matches(self, items: np.ndarray) -> np.ndarray:
        """``(V, n)`` bool: whether each of ``items (n,)`` has each value."""
        of_pairs, values = self._pairs
        first, last = (np.searchsorted(of_pairs, items, side) for side in ("left", "right"))
        counts = last - first
        out = np.zeros((len(self.vocabulary.values), len(items)), dtype=bool)
        column = np.repeat(np.arange(len(items)), counts)
        within = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
        out[values[np.repeat(first, counts) + within], column] = True
        return out


def _moments(mask: np.ndarray, ratings: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(V,)`` each: the number, the mean, and the squared standard error of the masked ratings."""
    count = mask.sum(axis=1)
    at_least = np.maximum(count, 1)
    mean = mask @ ratings / at_least
    variance = mask @ ratings**2 / at_least - mean**2
    return count, mean, np.maximum(variance, 0) / np.maximum(count - 1, 1)
