"""BM25 over texts."""

from __future__ import annotations

import numpy as np
import pytest

from p5rec.data.text_index import K1, B, TextIndex

TEXTS = ("space opera", "an opera about space and space travel", "quiet drama", "")


def bm25(query: list[str], words: list[str], every: list[list[str]]) -> float:
    """The textbook formula."""
    total, mean = 0.0, np.mean([len(each) for each in every])
    for word in query:
        holding = sum(word in each for each in every)
        idf = np.log(1 + (len(every) - holding + 0.5) / (holding + 0.5))
        count = words.count(word)
        total += idf * count * (K1 + 1) / (count + K1 * (1 - B + B * len(words) / mean))
    return total


def test_scores_follow_the_formula() -> None:
    every = [text.split() for text in TEXTS]
    found = TextIndex(TEXTS).scores(["space opera", "drama", "unknown"])
    wanted = [[bm25(query, words, every) for words in every]
              for query in (["space", "opera"], ["drama"], ["unknown"])]  # fmt: skip
    assert found == pytest.approx(np.array(wanted), abs=1e-5)


def test_the_best_texts_share_words_in_any_spelling() -> None:
    index = TextIndex(TEXTS)
    assert [row for row, _ in index.best("Operas in spáce!", 3)] == [0, 1]
    assert index.best("thriller", 3) == []
    assert index.nearest(["dramas", "nothing here", "travels"]).tolist() == [2, -1, 1]


def test_without_words_nothing_is_found() -> None:
    assert TextIndex(["", "!"]).best("space", 2) == []
