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
        if not any(words_of(text) for text in self.texts):
            return []
        vectorizer, matrix = self._fitted
        cosines = (matrix @ vectorizer.transform([query]).T).toarray()[:, 0]
        order = np.argsort(-cosines, kind="stable")[:k]
        return [(int(row), float(cosines[row])) for row in order if cosines[row] > 0]

    @cached_property
    def _fitted(self) -> tuple[Any, Any]:
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(analyzer=words_of, sublinear_tf=True)
        return vectorizer, vectorizer.fit_transform(self.texts)
