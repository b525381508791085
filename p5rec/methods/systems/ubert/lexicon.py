"""Opinion words: words that tell ratings apart, for all users alike or for some user alone.

A lexicon of opinion words must hold in all domains and come from training events. A word qualifies
by the ratings of the reviews that have it, as differences from their users' mean ratings. Where
the word is no opinion, these differences have random signs, and their sums over a group of reviews
stay small. Two groupings count: all reviews together (words such as "great"), and the reviews of
each user (words that please one user and annoy another).

E reviews, T words, V word numbers.
"""

from __future__ import annotations

import numpy as np


def opinion_words(
    words: np.ndarray, users: np.ndarray, domains: np.ndarray, ratings: np.ndarray, most: int
) -> np.ndarray:
    """``(n,)`` int64 numbers of the opinion words, ascending, at most ``most``.

    Args:
        words: ``(E, T)`` word numbers of the reviews, 0 where padded.
        users: ``(E,)`` their users.
        domains: ``(E,)`` their domains; an opinion word occurs in all of them.
        ratings: ``(E,)`` their ratings, in rating points.
        most: size of the lexicon.
    """
    event, _ = np.nonzero(words)
    pairs = np.unique(np.stack([words[words > 0], event], axis=1), axis=0)
    word, event = pairs[:, 0], pairs[:, 1]
    size = int(words.max(initial=0)) + 1
    residuals = _centred(ratings, users)[event]
    scores = np.maximum(
        _excess(word, np.zeros_like(word), residuals, size),
        _excess(word, users[event].astype(np.int64), residuals, size),
    )
    for domain in np.unique(domains):
        scores[np.bincount(word[domains[event] == domain], minlength=size) == 0] = 0
    best = np.argsort(-scores, kind="stable")[:most]
    return np.sort(best[scores[best] > 0])


def _centred(ratings: np.ndarray, users: np.ndarray) -> np.ndarray:
    """``(E,)`` the ratings minus their users' means."""
    _, owner, counts = np.unique(users, return_inverse=True, return_counts=True)
    centred: np.ndarray = ratings - (np.bincount(owner, ratings) / counts)[owner]
    return centred


def _excess(word: np.ndarray, group: np.ndarray, residuals: np.ndarray, size: int) -> np.ndarray:
    """``(V,)``: squared sums of residuals by word and group against those of random signs.

    It is the difference from their mean in standard deviations, 0 where the signs do not matter.
    """
    cells, cell = np.unique(word * (group.max(initial=0) + 1) + group, return_inverse=True)
    words = cells // (group.max(initial=0) + 1)
    sums, squares, fourths = (np.bincount(cell, residuals**power) for power in (1, 2, 4))
    above = np.bincount(words, sums**2 - squares, minlength=size)
    variance = np.bincount(words, 2 * (squares**2 - fourths), minlength=size)
    known = variance > 1e-9
    return np.where(known, above / np.sqrt(np.where(known, variance, 1)), 0)
