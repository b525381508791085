"""The metrics as ``evaluate.Metric`` classes, defined locally and not downloaded from a hub.

``evaluate.combine`` accepts metrics that read the same kind of predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import evaluate
import numpy as np
from datasets import Features, List, Value

from . import beyond, probability, ranking, rating, text


def _info(description: str, prediction: Any, *references: Any) -> evaluate.MetricInfo:
    """The inputs of a metric; with several types of references, the first that fits is used."""
    forms = [Features({"predictions": prediction, "references": one}) for one in references]
    return evaluate.MetricInfo(description=description, citation="", features=forms)


class Ranking(evaluate.Metric):
    """HR@k, NDCG@k and MRR@k; with several relevant items also Recall, Precision and MAP at k.

    Predictions are lists of item row numbers, best first. References are the relevant item of each
    list, or a list of its relevant items. ``compute(..., ks=(5, 10, 20))`` sets the depths; shorter
    lists count as lists that ended early. Formulas: :func:`p5rec.metrics.ranking.per_user`.
    """

    def _info(self) -> evaluate.MetricInfo:
        return _info(
            "Ranking of relevant items.",
            List(Value("int64")), Value("int64"), List(Value("int64")),
        )  # fmt: skip

    def _compute(
        self,
        predictions: Sequence[Sequence[int]],
        references: Sequence[Any],
        ks: Sequence[int] = ranking.KS,
        **_: Any,
    ) -> dict[str, float]:
        several = isinstance(references[0], Sequence)
        targets = _table(references, 1) if several else np.asarray(references)
        values = ranking.per_user(_table(predictions, max(ks)), targets, ks)
        return {name: float(value.mean()) for name, value in values.items()}


class ListErrors(evaluate.Metric):
    """Invalid and duplicate rates; predictions and references as for :class:`Ranking`.

    ``compute(..., n_items=N)`` sets the size of the catalogue.
    """

    def _info(self) -> evaluate.MetricInfo:
        return _info("Errors of ranked lists.", List(Value("int64")), Value("int64"))

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

    ``compute(..., scale=(1, 5), liked=4)`` sets the rating scale for clipping and the threshold.
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


class Probability(evaluate.Metric):
    """Log loss, Brier score, expected calibration error and AUC of predicted probabilities.

    Predictions are probabilities, 0 to 1; references are 1 (positive) or 0 (negative). AUC is NaN
    if all references are equal. Formulas: ``p5rec.metrics.probability``.
    """

    def _info(self) -> evaluate.MetricInfo:
        return _info(
            "Predicted probabilities of a positive label.", Value("float64"), Value("int64")
        )

    def _compute(
        self, predictions: Sequence[float], references: Sequence[int], **_: Any
    ) -> dict[str, float]:
        return probability.summary(np.asarray(predictions, dtype=float), np.asarray(references) > 0)


class Beyond(evaluate.Metric):
    """Coverage, Gini, novelty in bits, average popularity, and diversity of ranked lists.

    Predictions are lists of item row numbers; references are ignored. Arguments of ``compute``:
    ``train_counts=(N,)`` training events of each item, ``vectors=(N, D)`` item vectors for
    diversity, or ``attributes=`` the attribute values of each item instead. Without vectors and
    attributes, diversity is not computed. Formulas: ``p5rec.metrics.beyond``.
    """

    def _info(self) -> evaluate.MetricInfo:
        return _info(
            "Beyond-accuracy metrics of ranked lists.", List(Value("int64")), Value("int64")
        )

    def _compute(
        self,
        predictions: Sequence[Sequence[int]],
        references: Sequence[int],
        *,
        train_counts: Sequence[int],
        vectors: np.ndarray | None = None,
        attributes: Sequence[Sequence[str]] | None = None,
        **_: Any,
    ) -> dict[str, float]:
        listed, counts = _table(predictions, 0), np.asarray(train_counts)
        items = np.where(listed < len(counts), listed, -1)  # invalid entries count as empty
        metrics = {
            "coverage": beyond.coverage(items, len(counts)),
            "gini": beyond.gini(items, len(counts)),
            "novelty_bits": beyond.over_lists(beyond.novelty(items, counts)),
            "popularity": beyond.over_lists(beyond.popularity(items, counts)),
        }
        by = beyond.indicators(attributes) if vectors is None and attributes else vectors
        if by is not None:
            metrics["diversity"] = beyond.over_lists(beyond.intra_list_diversity(items, by))
        return metrics


class Bleu(evaluate.Metric):
    """Corpus BLEU-4 with one reference per text, 0 to 1."""

    def _info(self) -> evaluate.MetricInfo:
        return _info("Corpus BLEU-4.", Value("string"), Value("string"))

    def _compute(
        self, predictions: Sequence[str], references: Sequence[str], **_: Any
    ) -> dict[str, float]:
        score = text.bleu(predictions, references)(np.ones((1, len(predictions))))
        return {"BLEU-4": float(score[0, 0])}


class Rouge(evaluate.Metric):
    """Mean F-measures of ROUGE-1, -2 and -L with one reference per text, 0 to 1."""

    def _info(self) -> evaluate.MetricInfo:
        return _info("ROUGE.", Value("string"), Value("string"))

    def _compute(
        self, predictions: Sequence[str], references: Sequence[str], **_: Any
    ) -> dict[str, float]:
        values = text.rouge(predictions, references)
        return {name: float(value.mean()) for name, value in values.items()}


class DistinctSentences(evaluate.Metric):
    """The share of distinct sentences in the predictions; references are ignored."""

    def _info(self) -> evaluate.MetricInfo:
        return _info("Distinct-sentence ratio.", Value("string"), Value("string"))

    def _compute(
        self, predictions: Sequence[str], references: Sequence[str], **_: Any
    ) -> dict[str, float]:
        return {"distinct_sentences": text.distinct_sentences(predictions)}


class Groundedness(evaluate.Metric):
    """The share of the attribute values in texts that the described item really has.

    Predictions are texts; references are the row numbers of the described items. ``compute(...,
    attributes=)`` sets the attribute values of each of N items; together they are the vocabulary.
    ``named`` is the number of attribute values in the texts; ``groundedness`` is None if it is 0.
    See :func:`p5rec.metrics.text.groundedness`.
    """

    def _info(self) -> evaluate.MetricInfo:
        return _info("Groundedness of attribute values.", Value("string"), Value("int64"))

    def _compute(
        self,
        predictions: Sequence[str],
        references: Sequence[int],
        *,
        attributes: Sequence[Sequence[str]],
        **_: Any,
    ) -> dict[str, float | None]:
        counts = text.groundedness(predictions, np.asarray(references), attributes)
        grounded, named = counts.sum(axis=0).tolist()
        return {"groundedness": grounded / named if named else None, "named": named}


def _table(lists: Sequence[Sequence[int]], width: int) -> np.ndarray:
    """Ragged lists as ``(B, K)``, padded with -1 to at least ``width`` columns."""
    lengths = np.array([len(one) for one in lists], dtype=np.int64)
    table = np.full((len(lists), max(width, lengths.max(initial=0))), -1, dtype=np.int64)
    table[np.arange(table.shape[1]) < lengths[:, None]] = [i for one in lists for i in one]
    return table
