"""How written answers compare with people's, and two honest checks beside.

BLEU and ROUGE reward the average sentence; how many sentences are distinct, and how many of the
facts they name are true, they do not see. All values are shares, 0 to 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from .intervals import Statistic

ROUGE = {"ROUGE-1": "rouge1", "ROUGE-2": "rouge2", "ROUGE-L": "rougeL"}
WORD = re.compile(r"\w+")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def bleu(texts: Sequence[str], references: Sequence[str]) -> Statistic:
    """Corpus BLEU-4 as sacrebleu counts it (13a tokens, exponential smoothing), over 100.

    The geometric mean of the precisions of 1- to 4-grams, times ``exp(1 - r / c)`` where all c
    words of the answers are fewer than the r of the references (Papineni et al. 2002; Post 2018).

    Args:
        texts: B answers.
        references: B texts by people.

    Returns:
        Row weights ``(R, B)`` to ``(R, 1)``: n-gram counts are summed before they are compared,
        so a resample's BLEU is that of its texts, not a mean of sentence scores.
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

    return measure


def rouge(texts: Sequence[str], references: Sequence[str]) -> dict[str, np.ndarray]:
    """F-measures of ROUGE-1, -2 and -L of each text, ``(B,)`` each (Lin 2004, no stemming).

    ``2 P R / (P + R)``, with P and R the shares of the answer's and of the reference's words (or
    pairs of words) that both have, for -L those of their longest common subsequence.
    rouge-score keeps the letters a-z and digits only: for other scripts the values say nothing.
    """
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(ROUGE.values()))
    scored = [scorer.score(r, t) for t, r in zip(texts, references, strict=True)]
    return {
        name: np.array([score[key].fmeasure for score in scored], dtype=float)
        for name, key in ROUGE.items()
    }


def distinct_sentences(texts: Sequence[str]) -> float:
    """Distinct sentences over all sentences of all texts, whatever their case and spacing.

    The unique sentence ratio of Li et al. (NETE, 2020), with a text taken apart at ``.!?`` and
    line ends. Text that writes the same sentence for everybody goes to 0. Resampling with
    replacement repeats sentences, so this number has no bootstrap interval.
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
    """Attribute values that each text names, and how many of them its item has.

    The vocabulary is every attribute value of the catalogue, as a run of words. A text names a
    value where that run occurs in it, whole words, whatever their case; read from left to right,
    the longest run at a word counts and is passed over ("science fiction" names no "fiction").
    A value is named once however often it occurs, and is grounded where the item's own record
    holds it.

    Args:
        texts: B answers.
        items: ``(B,)`` the item each text is about.
        values: the attribute values of each of N items.

    Returns:
        ``(B, 2)`` int64: values that are grounded, values named. Groundedness is the ratio of
        the sums (:func:`p5rec.metrics.intervals.ratio_of`); NaN where nothing is named.
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
    found, at = set(), 0
    while at < len(words):
        runs = (words[at : at + n] for n in range(min(longest, len(words) - at), 0, -1))
        run = next((run for run in runs if run in vocabulary), None)
        if run:
            found.add(run)
        at += len(run) if run else 1
    return found
