"""The measures as ``evaluate.Metric`` classes, made here and not fetched from a hub.

``evaluate.combine`` takes instances of those that read the same kind of answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import evaluate
import numpy as np
from datasets import Features, List, Value

from . import ranking, rating, text


def _info(description: str, prediction: Any, reference: Any) -> evaluate.MetricInfo:
    features = Features({"predictions": prediction, "references": reference})
    return evaluate.MetricInfo(description=description, citation="", features=features)


class Ranking(evaluate.Metric):
    """HR@k, NDCG@k and MRR@k; predictions are lists of item rows, references the one right row.

    ``compute(..., ks=(5, 10, 20))`` names the depths; lists shorter than the deepest are lists
    that ended early.
    """

    def _info(self) -> evaluate.MetricInfo:
        return _info("Ranking of one right item.", List(Value("int64")), Value("int64"))

    def _compute(
        self,
        predictions: Sequence[Sequence[int]],
        references: Sequence[int],
        ks: Sequence[int] = ranking.KS,
        **_: Any,
    ) -> dict[str, float]:
        values = ranking.per_user(_table(predictions, max(ks)), np.asarray(references), ks)
        return {name: float(value.mean()) for name, value in values.items()}


class ListFaults(evaluate.Metric):
    """Invalid and duplicate rates; predictions and references as for :class:`Ranking`.

    ``compute(..., n_items=N)`` gives the size of the catalogue.
    """

    def _info(self) -> evaluate.MetricInfo:
        return _info("Faults of ranked lists.", List(Value("int64")), Value("int64"))

    def _compute(
        self,
        predictions: Sequence[Sequence[int]],
        references: Sequence[int],
        *,
        n_items: int,
        **_: Any,
    ) -> dict[str, float]:
        items = _table(predictions, 0)
        return {
            "invalid_rate": ranking.invalid_rate(items, n_items),
            "duplicate_rate": ranking.duplicate_rate(items),
        }


class Rating(evaluate.Metric):
    """RMSE, MAE and AUC of "at least ``liked``".

    ``compute(..., scale=(1, 5), liked=4)`` names the scale to clip to and the threshold.
    """

    def _info(self) -> evaluate.MetricInfo:
        return _info("Rating prediction.", Value("float64"), Value("float64"))

    def _compute(
        self,
        predictions: Sequence[float],
        references: Sequence[float],
        *,
        scale: tuple[float, float],
        liked: float = rating.LIKED,
        **_: Any,
    ) -> dict[str, float]:
        clipped = rating.clip(np.asarray(predictions), scale)
        return rating.summary(clipped, np.asarray(references), liked)


class Bleu(evaluate.Metric):
    """BLEU-4 of texts against one reference each, 0 to 1."""

    def _info(self) -> evaluate.MetricInfo:
        return _info("Corpus BLEU-4.", Value("string"), Value("string"))

    def _compute(
        self, predictions: Sequence[str], references: Sequence[str], **_: Any
    ) -> dict[str, float]:
        score = text.bleu(predictions, references)(np.ones((1, len(predictions))))
        return {"BLEU-4": float(score[0, 0])}


class Rouge(evaluate.Metric):
    """Mean F-measures of ROUGE-1, -2 and -L against one reference each, 0 to 1."""

    def _info(self) -> evaluate.MetricInfo:
        return _info("ROUGE.", Value("string"), Value("string"))

    def _compute(
        self, predictions: Sequence[str], references: Sequence[str], **_: Any
    ) -> dict[str, float]:
        values = text.rouge(predictions, references)
        return {name: float(value.mean()) for name, value in values.items()}


class DistinctSentences(evaluate.Metric):
    """Distinct over all sentences of the predictions; the references are not read."""

    def _info(self) -> evaluate.MetricInfo:
        return _info("Distinct-sentence ratio.", Value("string"), Value("string"))

    def _compute(
        self, predictions: Sequence[str], references: Sequence[str], **_: Any
    ) -> dict[str, float]:
        return {"distinct_sentences": text.distinct_sentences(predictions)}


def _table(lists: Sequence[Sequence[int]], width: int) -> np.ndarray:
    """Ragged lists as ``(B, K)``, filled up with -1 to the longest of them and ``width``."""
    lengths = np.array([len(one) for one in lists], dtype=np.int64)
    table = np.full((len(lists), max(width, lengths.max(initial=0))), -1, dtype=np.int64)
    table[np.arange(table.shape[1]) < lengths[:, None]] = [i for one in lists for i in one]
    return table
