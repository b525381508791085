"""Reviews as word numbers: the vocabulary of training reviews, and the reviews of users and items.

E events, R reviews, K reviews of a user or an item, T words, V words of the vocabulary.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from p5rec.core.rng import occurrence
from p5rec.core.types import Interactions
from p5rec.models.ubert import UNKNOWN

WORD = re.compile(r"\w+")
TEXTS = ("summary", "review")
FIRST = UNKNOWN + 1  # number of the vocabulary's first word


def texts_of(log: Interactions, events: np.ndarray) -> list[list[str]]:
    """The words of the reviews of ``events (n,)``, lower case, those of the headline first."""
    columns = [log.texts[name].take(events).to_pylist() for name in TEXTS if name in log.texts]
    joined = [" ".join(text or "" for text in texts) for texts in zip(*columns, strict=True)]
    return [WORD.findall(text.lower()) for text in joined or [""] * len(events)]


def vocabulary(texts: Sequence[Sequence[str]], least: int, most: int) -> list[str]:
    """At most ``most`` words with at least ``least`` occurrences, frequent words first."""
    counts = Counter(word for text in texts for word in text)
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    return [word for word in ordered if counts[word] >= least][:most]


def numbers(texts: Sequence[Sequence[str]], words: Sequence[str], length: int) -> np.ndarray:
    """``(n, T)`` int64 word numbers of the first words of each text, padded on the right.

    Args:
        texts: n texts.
        words: the vocabulary.
        length: most words of a text; T is that of the longest, at least 1.
    """
    number = {word: FIRST + n for n, word in enumerate(words)}
    longest = min(length, max(map(len, texts), default=0))
    table = np.zeros((len(texts), max(1, longest)), dtype=np.int64)
    for row, text in zip(table, texts, strict=True):
        own = [number.get(word, UNKNOWN) for word in text[:length]]
        row[: len(own)] = own
    return table


@dataclass(frozen=True, eq=False)
class Reviews:
    """The training reviews that describe users and items.

    Attributes:
        words: ``(R + 1, T)`` word numbers; the last row is padding, the absent review.
        users, items: ``(R + 1,)`` int64, the author and the item of each; -1 of the absent one.
        of_users: ``(U + 1, K)`` int64, the latest reviews of each user; the last row: of an
            unknown user.
        of_items: ``(N, K)`` int64, the latest reviews of each item.
    """

    words: np.ndarray
    users: np.ndarray
    items: np.ndarray
    of_users: np.ndarray
    of_items: np.ndarray

    @classmethod
    def of(cls, log: Interactions, events: np.ndarray, words: np.ndarray, most: int) -> Reviews:
        """The reviews of ``events (E,)``, at most ``most`` of a user and of an item.

        Args:
            log: the data.
            events: event numbers, ascending.
            words: ``(E, T)`` word numbers of their reviews.
            most: K.
        """
        written = words.any(axis=1)
        events, words = events[written], words[written]
        users, items = (rows[events].astype(np.int64) for rows in (log.users, log.items))
        late = np.argsort(-log.times[events], kind="stable")
        return cls(
            np.pad(words, ((0, 1), (0, 0))),
            np.append(users, -1),
            np.append(items, -1),
            _latest(users, late, log.n_users + 1, most),
            _latest(items, late, log.n_items, most),
        )

    def of_pairs(self, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(B, K)`` rows of the reviews of ``users (B,)`` and ``items (B,)``.

        Reviews of the user about the item are left out on both sides.
        """
        of_users, of_items = self.of_users[users], self.of_items[items]
        absent = len(self.words) - 1
        of_users = np.where(self.items[of_users] == items[:, None], absent, of_users)
        of_items = np.where(self.users[of_items] == users[:, None], absent, of_items)
        return of_users, of_items


def _latest(owners: np.ndarray, late: np.ndarray, count: int, most: int) -> np.ndarray:
    """``(count, most)`` the first reviews of each owner in the order ``late (R,)``."""
    table = np.full((count, most), len(owners), dtype=np.int64)
    nth = occurrence(owners[late].astype(np.uint64))
    kept = nth < most
    table[owners[late][kept], nth[kept]] = late[kept]
    return table
