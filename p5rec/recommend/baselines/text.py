"""Text baselines: what can be had by copying.

They answer with what was written in training most often, or by the nearest author, or with the
beginning of the text that the question shows. A model that writes has to beat them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from p5rec.core.artefacts import Lineage
from p5rec.prompting.explain import SENTENCE, WORD

from .text_rows import TextRows

ROWS = 256  # rows asked about at a time, against all training rows


@dataclass(frozen=True, eq=False)
class Writer:
    """A fitted text baseline.

    Attributes:
        name: what reports call it.
        write: R rows asked about to R texts; each depends on its own row alone.
        lineage: the training events it read.
    """

    name: str
    write: Callable[[TextRows], list[str]]
    lineage: Lineage


@dataclass(frozen=True)
class TextBaseline:
    """A way of copying.

    Attributes:
        fit: training rows to a :class:`Writer`.
        needs_shown: it works on a text that the question shows.
    """

    fit: Callable[[TextRows], Writer]
    needs_shown: bool = False


def fit_most_frequent(known: TextRows) -> Writer:
    """The answer that most training rows have, to everybody; of equals, the first by letters."""
    best = _best(Counter(known.answers), Counter(known.answers))
    return Writer("most-frequent", lambda asked: [best] * len(asked.items), known.lineage)


def fit_most_frequent_of_item(known: TextRows) -> Writer:
    """The answer that most training rows about the same item have.

    Of equals it is the one more frequent over all items. An item without a training row gets what
    everybody gets.
    """
    overall = Counter(known.answers)
    per_item: dict[int, Counter[str]] = {}
    for item, answer in zip(known.items.tolist(), known.answers, strict=True):
        per_item.setdefault(item, Counter())[answer] += 1
    common = _best(overall, overall)
    best = {item: _best(counts, overall) for item, counts in per_item.items()}

    def write(asked: TextRows) -> list[str]:
        return [best.get(item, common) for item in asked.items.tolist()]

    return Writer("most-frequent-of-item", write, known.lineage)


def fit_nearest_review(known: TextRows) -> Writer:
    """The answer of the training row whose review is nearest by TF-IDF (cosine, log counts).

    Where the question shows a review, nearest to that, among all training rows. Where it does not,
    nearest to what the user wrote in training, among the rows about the same item, or all rows if
    there is none. A row that shares no word with any gets the most frequent answer of its item.
    """
    otherwise = fit_most_frequent_of_item(known)
    similar = _similarity(known.words)

    def write(asked: TextRows) -> list[str]:
        texts = otherwise.write(asked)
        for start in range(0, len(texts), ROWS):
            at = slice(start, start + ROWS)
            scores = similar(asked.words[at])
            if not asked.shown:
                same = known.items == asked.items[at, None]
                scores[~same & same.any(axis=1, keepdims=True)] = 0
            nearest = scores.argmax(axis=1)
            for row in np.flatnonzero(scores.max(axis=1) > 0).tolist():
                texts[start + row] = known.answers[nearest[row]]
        return texts

    return Writer("nearest-review", write, known.lineage)


def fit_lead_sentence(known: TextRows) -> Writer:
    """The first sentence of the text that the question shows; nothing is learned."""
    return Writer(
        "lead-sentence",
        lambda asked: [SENTENCE.split(words, maxsplit=1)[0] for words in asked.words],
        Lineage.none(),
    )


def _best(counts: Counter[str], overall: Counter[str]) -> str:
    return min(counts, key=lambda answer: (-counts[answer], -overall[answer], answer))


def _similarity(known: Sequence[str]) -> Callable[[Sequence[str]], np.ndarray]:
    """B texts to their ``(B, R)`` float32 cosines with the R known ones."""
    if not any(map(WORD.search, known)):
        return lambda asked: np.zeros((len(asked), len(known)), dtype=np.float32)
    vectors = TfidfVectorizer(token_pattern=WORD.pattern, sublinear_tf=True, dtype=np.float32)
    weights = vectors.fit_transform(known).T.tocsr()
    return lambda asked: (vectors.transform(asked) @ weights).toarray()


LEAD_SENTENCE = TextBaseline(fit_lead_sentence, needs_shown=True)
MOST_FREQUENT = TextBaseline(fit_most_frequent)
MOST_FREQUENT_OF_ITEM = TextBaseline(fit_most_frequent_of_item)
NEAREST_REVIEW = TextBaseline(fit_nearest_review)
