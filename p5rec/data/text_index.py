"""Texts found by their words: TF-IDF vectors and cosines.

n texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from p5rec.core.words import words_of

CELLS = 2**22  # cosines in memory


@dataclass(frozen=True)
class TextIndex:
    """An index of texts by words, in one spelling (plurals and accents aside).

    Attributes:
        texts: n texts.
    """

    texts: Sequence[str] = field(repr=False)

    def best(self, query: str, k: int) -> list[tuple[int, float]]:
        """The at most ``k`` texts that share words with ``query``: row and cosine, best first.

        Of equal cosines the earlier text comes first.
        """
        cosines = self._cosines([query])[0]
        order = np.argsort(-cosines, kind="stable")[:k]
        return [(int(row), float(cosines[row])) for row in order if cosines[row] > 0]

    def nearest(self, queries: Sequence[str]) -> np.ndarray:
        """``(m,)`` int64: the best text for each of m queries, as in :meth:`best`; -1: none."""
        step = max(1, CELLS // max(len(self.texts), 1))
        blocks = [np.empty(0, dtype=np.int64)]
        for start in range(0, len(queries), step):
            cosines = self._cosines(queries[start : start + step])
            best = cosines.argmax(axis=1)
            blocks.append(np.where(cosines.max(axis=1) > 0, best, -1))
        return np.concatenate(blocks)

    def _cosines(self, queries: Sequence[str]) -> np.ndarray:
        """``(m, n)`` the cosine of each query and each text."""
        vectorizer, matrix = self._fitted
        if vectorizer is None:
            return np.zeros((len(queries), len(self.texts)))
        cosines: np.ndarray = (vectorizer.transform(queries) @ matrix).toarray()
        return cosines

    @cached_property
    def _fitted(self) -> tuple[Any, Any]:
        """The vectorizer and the transposed vectors of the texts; None: no text has a word."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        if not any(words_of(text) for text in self.texts):
            return None, None
        vectorizer = TfidfVectorizer(analyzer=words_of, sublinear_tf=True)
        return vectorizer, vectorizer.fit_transform(self.texts).T.tocsr()
