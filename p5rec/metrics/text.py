"""Metrics of generated texts: BLEU, ROUGE, distinct sentences, groundedness.

BLEU and ROUGE reward average sentences. Distinct sentences measure variety, and groundedness
measures whether stated attribute values are true. All values are between 0 and 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from .intervals import Statistic, of_instances

ROUGE = {"ROUGE-1": "rouge1", "ROUGE-2": "rouge2", "ROUGE-L": "rougeL"}
WORD = re.compile(r"\w+")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def bleu(texts: Sequence[str], references: Sequence[str]) -> Statistic:
    """Corpus BLEU-4 of sacrebleu (13a tokens, exponential smoothing), divided by 100.

    The geometric mean of the precisions of 1- to 4-grams, times ``exp(1 - r / c)`` if the
    generated texts have fewer words (c) than the references (r) (Papineni et al. 2002; Post 2018).

    Args:
        texts: B generated texts.
        references: B reference texts.

    Returns:
        The statistic of one value. It sums n-gram counts over the texts of a resample, so the
        result is a corpus BLEU and not a mean of sentence scores.
    """
    from sacrebleu.metrics import BLEU

    scorer = BLEU(effective_order=True)
    scored = [scorer.sentence_score(t, [r]) for t, r in zip(texts, references, strict=True)]
    counts = np.array([(*s.counts, *s.totals, s.sys_len, s.ref_len) for s in scored])
    counts = counts.reshape(len(texts), 10)

    def measure(weights: np.ndarray) -> np.ndarray:
        scores = [
            BLEU.compute_bleu(row[:4], row[4:8], row[8], row[9], smooth_method="exp").score
            for row in (weights @ counts).astype(np.int64).tolist()
        ]
        return np.array(scores)[:, None] / 100

    return of_instances(measure)


def rouge(texts: Sequence[str], references: Sequence[str]) -> dict[str, np.ndarray]:
    """F-measures of ROUGE-1, -2 and -L of each text, ``(B,)`` each (Lin 2004, no stemming).

    ``2 P R / (P + R)``, with P and R the shares of the text's and of the reference's words (or word
    pairs) that both have; for -L, the words of their longest common subsequence. rouge-score
    ignores all characters except a-z and digits, so the values are meaningless for other scripts.
    """
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(ROUGE.values()))
    scored = [scorer.score(r, t) for t, r in zip(texts, references, strict=True)]
    return {
        name: np.array([score[key].fmeasure for score in scored], dtype=float)
        for name, key in ROUGE.items()
    }


def distinct_sentences(texts: Sequence[str]) -> float:
    """The share of distinct sentences among all sentences, ignoring case and spacing.

    The unique sentence ratio of Li et al. (NETE, 2020); texts are split at ``.!?`` and line ends.
    It approaches 0 if all users get the same sentence. Resampling with replacement repeats
    sentences, so this metric has no bootstrap interval.
    """
    sentences = [
        " ".join(sentence.casefold().split())
        for text in texts
        for sentence in SENTENCE_END.split(text)
        if WORD.search(sentence)
    ]
    return len(set(sentences)) / len(sentences) if sentences else float("nan")


def groundedness(
    texts: Sequence[str], items: np.ndarray, values: Sequence[Sequence[str]]
) -> np.ndarray:
    """The number of attribute values in each text, and the number that its item really has.

    The vocabulary contains every attribute value of the catalogue as a sequence of words. A value
    occurs in a text if its words do, ignoring case. Matching is greedy from left to right with the
    longest value first ("science fiction" does not contain "fiction"). A repeated value counts
    once. A value is grounded if the described item has it.

    Args:
        texts: B generated texts.
        items: ``(B,)`` the item that each text describes.
        values: the attribute values of each of N items.

    Returns:
        ``(B, 2)`` int64: grounded values, and all values. Groundedness is the ratio of their sums
        (:func:`p5rec.metrics.intervals.ratio_of`); NaN without values.
    """
    records = [{run for value in own if (run := _words(value))} for own in values]
    vocabulary = set().union(*records)
    longest = max(map(len, vocabulary), default=0)
    named = [_named(_words(text), vocabulary, longest) for text in texts]
    pairs = [(len(n & records[i]), len(n)) for n, i in zip(named, items.tolist(), strict=True)]
    return np.array(pairs, dtype=np.int64).reshape(len(texts), 2)


def _words(text: str) -> tuple[str, ...]:
    return tuple(WORD.findall(text.casefold()))


def _named(
    words: tuple[str, ...], vocabulary: set[tuple[str, ...]], longest: int
) -> set[tuple[str, ...]]:
    names, at = set(), 0
    while at < len(words):
        runs = (words[at : at + n] for n in range(min(longest, len(words) - at), 0, -1))
        run = next((run for run in runs if run in vocabulary), None)
        if run:
            names.add(run)
        at += len(run) if run else 1
    return names


def exact_matches(texts: Sequence[str], expected: Sequence[str]) -> np.ndarray:
    """``(B,)`` float64: 1 where a text equals its answer, without regard to case and space."""
    pairs = zip(map(_folded, texts), map(_folded, expected), strict=True)
    return np.array([float(text == answer) for text, answer in pairs])


def value_f1(texts: Sequence[str], expected: Sequence[str]) -> np.ndarray:
    """``(B,)`` float64: F-measure of the comma-separated values of each text, in any order."""
    pairs = zip(map(_values, texts), map(_values, expected), strict=True)
    return np.array([2 * len(own & right) / max(1, len(own) + len(right)) for own, right in pairs])


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _values(text: str) -> frozenset[str]:
    return frozenset(value for each in text.split(",") if (value := _folded(each)))
