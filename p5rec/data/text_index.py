"""Texts found by their words: BM25 (Robertson and Zaragoza 2009, equation 3.15).

Words and counts are scikit-learn's. The weight is a line, so no further library is needed.

m queries, n texts, w words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from p5rec.core.words import words_of

CELLS = 2**22  # scores in memory
K1, B = 1.2, 0.75  # saturation of counts, and weight of a text's length


@dataclass(frozen=True)
class TextIndex:
    """An index of texts by words, in one spelling (plurals and accents aside).

    Attributes:
        texts: n texts.
    """

    texts: Sequence[str] = field(repr=False)

    def scores(self, queries: Sequence[str]) -> np.ndarray:
        """``(m, n)`` float32: BM25 of each query and each text; 0 where they share no word."""
        vectorizer, weights = self._fitted
        if vectorizer is None:
            return np.zeros((len(queries), len(self.texts)), np.float32)
        asked = vectorizer.transform(queries)
        return np.asarray((asked @ weights).toarray(), np.float32)

    def best(self, query: str, k: int) -> list[tuple[int, float]]:
        """The at most ``k`` texts that share words with ``query``: row and score, best first.

        Of equal scores the earlier text comes first.
        """
        scores = self.scores([query])[0]
        order = np.argsort(-scores, kind="stable")[:k]
        return [(int(row), float(scores[row])) for row in order if scores[row] > 0]

    def nearest(self, queries: Sequence[str]) -> np.ndarray:
        """``(m,)`` int64: the best text for each of m queries, as in :meth:`best`; -1: none."""
        step = max(1, CELLS // max(len(self.texts), 1))
        blocks = [np.empty(0, dtype=np.int64)]
        for start in range(0, len(queries), step):
            scores = self.scores(queries[start : start + step])
            blocks.append(np.where(scores.max(axis=1) > 0, scores.argmax(axis=1), -1))
        return np.concatenate(blocks)

    @cached_property
    def _fitted(self) -> tuple[Any, Any]:
        """The vectorizer, and the weights ``(w, n)`` of words in texts; None: no text has any."""
        from sklearn.feature_extraction.text import CountVectorizer

        if not any(words_of(text) for text in self.texts):
            return None, None
        vectorizer = CountVectorizer(analyzer=words_of)
        counts = vectorizer.fit_transform(self.texts).tocsr().astype(np.float64)
        lengths = np.asarray(counts.sum(axis=1)).ravel()
        holding = np.bincount(counts.indices, minlength=counts.shape[1])
        idf = np.log1p((len(lengths) - holding + 0.5) / (holding + 0.5))
        norm = K1 * (1 - B + B * lengths / lengths.mean()).repeat(np.diff(counts.indptr))
        counts.data = idf[counts.indices] * counts.data * (K1 + 1) / (counts.data + norm)
        return vectorizer, counts.T.tocsr()
