"""The metrics of each task, computed from a method's predictions, with their error rates.

B test instances, K list length, N items. An instance belongs to a user, or to no user (-1) where
a query is about an item alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Unpack

import numpy as np

from p5rec.core.types import Catalog, Corpus, RankedLists
from p5rec.metrics import beyond
from p5rec.metrics import probability as stated
from p5rec.metrics import ranking as listed
from p5rec.metrics import rating as rated
from p5rec.metrics import text as written
from p5rec.metrics.area import area
from p5rec.metrics.intervals import Statistic, joined, mean_of, ratio_of
from p5rec.metrics.slices import slices
from p5rec.tasks.predictions import Episodes

from .measured import Figures, Measured, Run, instances_of, measured

SLICE_DEPTH = 10
OF_BASKETS = ("Recall", "NDCG", "HR", "MRR")


def ranking(
    name: str,
    lists: RankedLists,
    targets: np.ndarray,
    corpus: Corpus,
    *,
    unsupported: Collection[str] = (),
    events: np.ndarray | None = None,
    **run: Unpack[Run],
) -> Measured:
    """HR, NDCG and MRR at 5, 10 and 20, where K allows, and coverage, novelty and diversity.

    For baskets Recall comes first, and a slice counts its own targets alone: the recall of
    ``repeat`` is the share of a basket's repeated items that are ranked.

    Args:
        name: the method.
        lists: ``(B, K)``.
        targets: ``(B,)`` the target of each list, or ``(B, T)`` the basket, see
            :func:`p5rec.data.split.instances`.
        corpus: its training events define slices and novelty.
        unsupported: slices for which the method cannot predict, such as ``unseen-item``.
        events: the events of the targets, -1 where none; they define the ``repeat`` slice.
        **run: see :class:`Run`; the default task is ``sequential``.
    """
    items, n_items = lists.items, len(corpus.catalog)
    depths = [k for k in listed.KS if k <= items.shape[1]] or [items.shape[1]]
    values = _listed(items, targets, depths)
    log = corpus.interactions
    counts = np.bincount(log.items[corpus.split.mask("train")], minlength=n_items)
    real = np.where(items < n_items, items, -1)
    depth = max((k for k in depths if k <= SLICE_DEPTH), default=depths[0])
    baskets = targets.ndim == 2
    sliced = [f"{'Recall' if baskets else 'HR'}@{depth}", f"NDCG@{depth}"]

    def within(chosen: np.ndarray) -> Statistic:
        some = instances_of(chosen)
        if baskets:
            own = listed.per_user(items[some], np.where(chosen, targets, -1)[some], (depth,))
            return _means({m: own[m] for m in sliced})
        return _means({m: values[m][some] for m in sliced})

    if not baskets:
        run["instance_items"] = targets
    run["slices"] = slices(lists.users, targets, log, corpus.split, events)
    figures = Figures(
        values, _means(values), list(values),
        sliced=sliced,
        within=within,
        unsupported=unsupported,
        invalid_rate=listed.invalid_rate(items, n_items),
        duplicate_rate=listed.duplicate_rate(items),
        other_metrics={
            "coverage": beyond.coverage(real, n_items),
            "novelty_bits": beyond.over_lists(beyond.novelty(real, counts)),
            "popularity": beyond.over_lists(beyond.popularity(real, counts)),
            "gini": beyond.gini(real, n_items),
            **_diversity(real, corpus.catalog),
            "short_rate": listed.short_rate(items),
        },
    )  # fmt: skip
    return measured(name, "sequential", run, lists.users, figures)


def _listed(items: np.ndarray, targets: np.ndarray, depths: Sequence[int]) -> dict[str, np.ndarray]:
    """The metrics of ranked lists ``(B, K)``, name to ``(B,)``, see :func:`ranking`."""
    values = listed.per_user(items, targets, depths)
    if targets.ndim == 1:
        return values
    names = [f"{metric}@{k}" for k in depths for metric in OF_BASKETS]
    return {name: values[name] for name in names}


def rating(
    name: str,
    predictions: np.ndarray,
    ratings: np.ndarray,
    users: np.ndarray,
    scale: tuple[float, float],
    probabilities: np.ndarray | None = None,
    **run: Unpack[Run],
) -> Measured:
    """RMSE, MAE and AUC of "liked" for predictions clipped to the scale.

    Predicted probabilities of "liked" add its log loss, Brier score and calibration error.

    A prediction that could not be parsed is NaN. It counts as the middle of the scale, so that all
    methods are measured on the same instances; ``parse_rate`` in ``about`` is the parsed share.

    Args:
        name: the method.
        predictions: ``(B,)`` predicted ratings.
        ratings: ``(B,)`` the users' ratings.
        users: ``(B,)``.
        scale: lowest and highest rating.
        probabilities: ``(B,)`` predicted probabilities that the rating means "liked".
        **run: see :class:`Run`; the default task is ``rating``.
    """
    unparsed = np.isnan(predictions)
    clipped = rated.clip(np.where(unparsed, sum(scale) / 2, predictions), scale)
    run["about"] = {**run.get("about", {}), "parse_rate": 1 - _share(unparsed)}
    losses, other_metrics = _probability_losses(probabilities, ratings >= rated.LIKED)
    statistic = rated.statistic(clipped, ratings)
    if losses:
        statistic = joined(statistic, _means(losses))
    figures = Figures(
        {"prediction": clipped, "rating": ratings, **losses}, statistic, (*rated.NAMES, *losses),
        sliced=rated.NAMES[:2],  # slices may be too small for an AUC
        within=lambda chosen: rated.statistic(clipped[chosen], ratings[chosen]).then(
            lambda values: values[:, :2]
        ),
        invalid_rate=_share(unparsed),
        other_metrics=other_metrics,
    )  # fmt: skip
    return measured(name, "rating", run, users, figures)


def text(
    name: str,
    texts: Sequence[str],
    references: Sequence[str],
    items: np.ndarray,
    catalog: Catalog,
    users: np.ndarray,
    **run: Unpack[Run],
) -> Measured:
    """BLEU-4, ROUGE-1/2/L, groundedness and the ratio of distinct sentences.

    Args:
        name: the method.
        texts: B generated texts.
        references: B texts written by users.
        items: ``(B,)`` the item of each text.
        catalog: its attributes are the facts that a text can mention.
        users: ``(B,)``.
        **run: see :class:`Run`; the default task is ``explanation``.
    """
    values = written.rouge(texts, references)
    grounded, named = written.groundedness(texts, items, attribute_values(catalog)).T
    statistics = (written.bleu(texts, references), _means(values), ratio_of(grounded, named))
    run["instance_items"] = items
    figures = Figures(
        values, joined(*statistics), ("BLEU-4", *values, "groundedness"),
        invalid_rate=_share(np.array([not written_text.strip() for written_text in texts])),
        other_metrics={"distinct_sentences": written.distinct_sentences(texts)},
    )  # fmt: skip
    return measured(name, "explanation", run, users, figures)


def answers(
    name: str,
    texts: Sequence[str],
    expected: Sequence[str],
    users: np.ndarray,
    similarities: np.ndarray | None = None,
    ranks: np.ndarray | None = None,
    **run: Unpack[Run],
) -> Measured:
    """Accuracy and value F1 of computed answers; consistency and HR@10 where there are vectors.

    Consistency is ELM's semantic consistency (Tennenholtz et al. 2024, arXiv:2310.04475): the
    cosine of the vector of the text and the vector of what it is about.

    Args:
        name: the method.
        texts: B generated texts.
        expected: B answers.
        users: ``(B,)``.
        similarities: ``(B,)`` cosines.
        ranks: ``(B,)`` rank, from 1, of the item that a text is about by that cosine.
        **run: see :class:`Run`; the default task is ``answer``.
    """
    values = {
        "accuracy": written.exact_matches(texts, expected),
        "value F1": written.value_f1(texts, expected),
    }
    if similarities is not None:
        values["consistency"] = similarities
    if ranks is not None:
        values["HR@10"] = (ranks <= SLICE_DEPTH).astype(np.float64)
    figures = Figures(
        values, _means(values), list(values),
        invalid_rate=_share(np.array([not text.strip() for text in texts])),
        other_metrics={"distinct_answers": len({*texts}) / max(1, len(texts))},
    )  # fmt: skip
    return measured(name, "answer", run, users, figures)


def attribute_values(catalog: Catalog) -> list[tuple[str, ...]]:
    """All attribute values of each item, ``(N,)``: the facts that a text can mention."""
    columns = [catalog.values(attribute) for attribute in catalog.attributes]
    return [tuple(chain(*own)) for own in zip(*columns, strict=True)] or [()] * len(catalog)


def accuracy(
    name: str,
    correct: np.ndarray,
    users: np.ndarray,
    probabilities: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    **run: Unpack[Run],
) -> Measured:
    """The share of correct choices among a few candidates, or of correct yes or no predictions.

    Predicted probabilities of yes add their AUC, log loss, Brier score and calibration error.

    Args:
        name: the method.
        correct: ``(B,)`` 1 correct, 0 wrong, NaN not parsed, which counts as wrong.
        users: ``(B,)``.
        probabilities: ``(B,)`` predicted probabilities of yes.
        labels: ``(B,)`` bool, whether the target is yes; only together with ``probabilities``.
        **run: see :class:`Run`; the default task is ``choice``.
    """
    unparsed = np.isnan(correct.astype(np.float64))
    values = {"accuracy": np.where(unparsed, 0, correct).astype(np.float64)}
    run["about"] = {**run.get("about", {}), "parse_rate": 1 - _share(unparsed)}
    losses: dict[str, np.ndarray] = {}
    other_metrics: dict[str, float] = {}
    statistic, names = _means(values), ["accuracy"]
    if probabilities is not None and labels is not None:
        losses, other_metrics = _probability_losses(probabilities, labels)
        statistic = joined(statistic, area(probabilities, labels), _means(losses))
        names = ["accuracy", "AUC", *losses]
    figures = Figures(
        {**values, **losses}, statistic, names,
        sliced=["accuracy"],
        within=lambda chosen: _means({"accuracy": values["accuracy"][chosen]}),
        invalid_rate=_share(unparsed),
        other_metrics=other_metrics,
    )  # fmt: skip
    return measured(name, "choice", run, users, figures)


def clicks(
    name: str, probabilities: np.ndarray, clicked: np.ndarray, users: np.ndarray, **run: Unpack[Run]
) -> Measured:
    """AUC, gAUC, log loss, Brier score and calibration error of predicted clicks.

    Args:
        name: the method.
        probabilities: ``(B,)`` predicted probabilities.
        clicked: ``(B,)`` bool, whether the user clicked.
        users: ``(B,)``.
        **run: see :class:`Run`; the default task is ``click``.
    """
    losses, other_metrics = _probability_losses(probabilities, clicked)

    def within(chosen: np.ndarray) -> Statistic:
        own = _means({name: loss[chosen] for name, loss in losses.items()})
        return joined(area(probabilities[chosen], clicked[chosen]), own)

    figures = Figures(
        {"probability": probabilities, "label": clicked, **losses},
        stated.statistic(probabilities, clicked, users), stated.NAMES,
        sliced=("AUC", *losses),
        within=within,
        invalid_rate=0.0,
        other_metrics=other_metrics,
    )  # fmt: skip
    return measured(name, "click", run, users, figures)


def dialogues(name: str, episodes: Episodes, users: np.ndarray, **run: Unpack[Run]) -> Measured:
    """Success within five turns and at the first, turns, and the accuracy of the chosen tool.

    A dialogue without success counts one turn more than there are.

    Args:
        name: the method.
        episodes: B dialogues.
        users: ``(B,)``.
        **run: see :class:`Run`; the default task is ``dialogue``.
    """
    turns = np.array(episodes.turns)
    values = {
        "success@5": ((turns > 0) & (turns <= 5)).astype(np.float64),
        "success@1": (turns == 1).astype(np.float64),
        "turns": np.where(turns > 0, turns, episodes.limit + 1).astype(np.float64),
    }
    if episodes.tools:
        right = np.array(episodes.tools) == np.array(episodes.expected_tools)
        values["tool accuracy"] = right.astype(np.float64)
    other = {"calls": float(np.mean([len(own) for own in episodes.calls]))}
    if episodes.expected_tools:
        _, counts = np.unique(episodes.expected_tools, return_counts=True)
        other["commonest_tool"] = float(counts.max() / counts.sum())
    if any(episodes.written):
        answers = np.where(turns > 0, turns, episodes.limit)
        other |= {
            "tokens_per_turn": float(np.sum(episodes.written) / answers.sum()),
            "ms_per_turn": float(np.sum(episodes.milliseconds) / answers.sum()),
        }
    figures = Figures(values, _means(values), list(values), invalid_rate=0.0, other_metrics=other)
    return measured(name, "dialogue", run, users, figures)


def _means(values: Mapping[str, np.ndarray]) -> Statistic:
    return mean_of(np.stack(list(values.values()), axis=1))


def _probability_losses(
    probabilities: np.ndarray | None, labels: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The losses of each instance, and their calibration error; empty without probabilities."""
    if probabilities is None:
        return {}, {}
    inside = np.clip(probabilities, 0, 1)  # a sum of probabilities may exceed 1 by rounding
    return stated.losses(inside, labels), {"ECE": stated.calibration_error(inside, labels)}


def _diversity(items: np.ndarray, catalog: Catalog) -> dict[str, float]:
    if not catalog.attributes:
        return {}
    sets = beyond.indicators(attribute_values(catalog))
    return {"diversity": beyond.over_lists(beyond.intra_list_diversity(items, sets))}


def _share(mask: np.ndarray) -> float:
    return float(mask.mean()) if mask.size else 0.0
