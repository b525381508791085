"""The metrics of each task: a method's answers in, its numbers out, and the faults beside.

B cases, K list length, N items. A case belongs to a user, or to none where its user is -1 (a
question about an item).
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
from p5rec.metrics.intervals import Statistic, mean_of, ratio_of
from p5rec.metrics.slices import slices

from .measured import Figures, Measured, Run, cases_of, measured

SLICE_DEPTH = 10
OF_BASKETS = ("Recall", "NDCG", "HR", "MRR")


def ranking(
    name: str,
    lists: RankedLists,
    targets: np.ndarray,
    corpus: Corpus,
    *,
    cannot: Collection[str] = (),
    events: np.ndarray | None = None,
    **run: Unpack[Run],
) -> Measured:
    """HR, NDCG and MRR at 5, 10 and 20, as far as the lists reach, and what the lists are like.

    Of baskets Recall stands before them, and a slice counts the targets in it alone: the recall of
    ``repeat`` is the share of a basket's repeats that are found.

    Args:
        name: the method.
        lists: ``(B, K)``.
        targets: ``(B,)`` the right item of each list, or ``(B, T)`` the basket, see
            :func:`p5rec.data.split.cases`.
        corpus: its training events define slices and novelty.
        cannot: slices that the method has no answer for, such as ``unseen-item``.
        events: the events that the targets are of, -1 where none, to tell repeats.
        **run: see :class:`Run`; the task is ``sequential`` unless named.
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

    def within(part: np.ndarray) -> Statistic:
        rows = cases_of(part)
        if baskets:
            found = listed.per_user(items[rows], np.where(part, targets, -1)[rows], (depth,))
            return _means({m: found[m] for m in sliced})
        return _means({m: values[m][rows] for m in sliced})

    if not baskets:
        run["subjects"] = targets
    run["parts"] = slices(lists.users, targets, log, corpus.split, events)
    figures = Figures(
        values, _means(values), list(values),
        sliced=sliced,
        within=within,
        cannot=cannot,
        invalid_rate=listed.invalid_rate(items, n_items),
        duplicate_rate=listed.duplicate_rate(items),
        beside={
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
    """The metrics of lists ``(B, K)``, name to ``(B,)``: see :func:`ranking`."""
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
    chances: np.ndarray | None = None,
    **run: Unpack[Run],
) -> Measured:
    """RMSE, MAE and AUC of "liked", predictions clipped to the scale.

    Where chances are predicted, log loss and Brier score of "liked" too, and the calibration
    error beside.

    An answer that could not be read is NaN. It counts as the middle of the scale, so that all
    methods are measured on the same cases; ``about`` holds the share that could be read.

    Args:
        name: the method.
        predictions: ``(B,)`` rating points.
        ratings: ``(B,)`` those given.
        users: ``(B,)``.
        scale: lowest and highest rating.
        chances: ``(B,)`` predicted chances that the rating is one of "liked".
        **run: see :class:`Run`; the task is ``rating`` unless named.
    """
    unread = np.isnan(predictions)
    clipped = rated.clip(np.where(unread, sum(scale) / 2, predictions), scale)
    run["about"] = {**run.get("about", {}), "parse_rate": 1 - _share(unread)}
    losses, beside = _of_chances(chances, ratings >= rated.LIKED)
    statistic = rated.statistic(clipped, ratings)
    if losses:
        statistic = _beside_each_other(statistic, _means(losses))
    figures = Figures(
        {"prediction": clipped, "rating": ratings, **losses}, statistic, (*rated.NAMES, *losses),
        sliced=rated.NAMES[:2],  # few cases have no AUC to speak of
        within=lambda rows: _first(rated.statistic(clipped[rows], ratings[rows]), 2),
        invalid_rate=_share(unread),
        beside=beside,
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
    """BLEU-4, ROUGE-1/2/L, groundedness, and the ratio of distinct sentences beside.

    Args:
        name: the method.
        texts: B answers.
        references: B texts by people.
        items: ``(B,)`` what each text is about.
        catalog: its attributes are the facts a text can name.
        users: ``(B,)``.
        **run: see :class:`Run`; the task is ``explanation`` unless named.
    """
    values = written.rouge(texts, references)
    grounded, named = written.groundedness(texts, items, attribute_values(catalog)).T
    parts = (written.bleu(texts, references), _means(values), ratio_of(grounded, named))
    run["subjects"] = items
    figures = Figures(
        values, _beside_each_other(*parts), ("BLEU-4", *values, "groundedness"),
        invalid_rate=_share(np.array([not answer.strip() for answer in texts])),
        beside={"distinct_sentences": written.distinct_sentences(texts)},
    )  # fmt: skip
    return measured(name, "explanation", run, users, figures)


def attribute_values(catalog: Catalog) -> list[tuple[str, ...]]:
    """All attribute values of each item, ``(N,)``: the facts that a text can name."""
    columns = [catalog.values(attribute) for attribute in catalog.attributes]
    return [tuple(chain(*own)) for own in zip(*columns, strict=True)] or [()] * len(catalog)


def accuracy(
    name: str,
    correct: np.ndarray,
    users: np.ndarray,
    chances: np.ndarray | None = None,
    happened: np.ndarray | None = None,
    **run: Unpack[Run],
) -> Measured:
    """Share of right answers where one of few is right: candidates, yes or no.

    Where chances of yes are predicted, their AUC, log loss and Brier score too, and the
    calibration error beside.

    Args:
        name: the method.
        correct: ``(B,)`` 1 right, 0 wrong, NaN an answer that could not be read, which is wrong.
        users: ``(B,)``.
        chances: ``(B,)`` of yes.
        happened: ``(B,)`` bool, where the right answer is yes; beside ``chances`` alone.
        **run: see :class:`Run`; the task is ``choice`` unless named.
    """
    unread = np.isnan(correct.astype(np.float64))
    values = {"accuracy": np.where(unread, 0, correct).astype(np.float64)}
    run["about"] = {**run.get("about", {}), "parse_rate": 1 - _share(unread)}
    losses: dict[str, np.ndarray] = {}
    beside: dict[str, float] = {}
    statistic, names = _means(values), ["accuracy"]
    if chances is not None and happened is not None:
        losses, beside = _of_chances(chances, happened)
        parts = (statistic, _area(chances, happened), _means(losses))
        statistic, names = _beside_each_other(*parts), ["accuracy", "AUC", *losses]
    figures = Figures(
        {**values, **losses}, statistic, names,
        sliced=["accuracy"],
        within=lambda rows: _means({"accuracy": values["accuracy"][rows]}),
        invalid_rate=_share(unread),
        beside=beside,
    )  # fmt: skip
    return measured(name, "choice", run, users, figures)


def clicks(
    name: str, chances: np.ndarray, clicked: np.ndarray, users: np.ndarray, **run: Unpack[Run]
) -> Measured:
    """AUC, log loss and Brier score of predicted clicks, and the calibration error beside.

    Args:
        name: the method.
        chances: ``(B,)`` predicted probabilities.
        clicked: ``(B,)`` bool, whether it happened.
        users: ``(B,)``.
        **run: see :class:`Run`; the task is ``click`` unless named.
    """
    losses, beside = _of_chances(chances, clicked)
    figures = Figures(
        {"chance": chances, "happened": clicked, **losses},
        stated.statistic(chances, clicked), stated.NAMES,
        sliced=tuple(losses),  # few cases have no AUC to speak of
        within=lambda rows: _means({name: loss[rows] for name, loss in losses.items()}),
        invalid_rate=0.0,
        beside=beside,
    )  # fmt: skip
    return measured(name, "click", run, users, figures)


def _means(values: Mapping[str, np.ndarray]) -> Statistic:
    return mean_of(np.stack(list(values.values()), axis=1))


def _of_chances(
    chances: np.ndarray | None, happened: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The losses of each case, and what has no interval; nothing where there are no chances."""
    if chances is None:
        return {}, {}
    inside = np.clip(chances, 0, 1)  # a sum of probabilities may end a hair above 1
    return stated.losses(inside, happened), {"ECE": stated.calibration_error(inside, happened)}


def _area(chances: np.ndarray, happened: np.ndarray) -> Statistic:
    return lambda weights: rated.auc(chances, happened, weights)[:, None]


def _beside_each_other(*parts: Statistic) -> Statistic:
    return lambda weights: np.concatenate([part(weights) for part in parts], axis=1)


def _first(statistic: Statistic, n: int) -> Statistic:
    return lambda weights: statistic(weights)[:, :n]


def _diversity(items: np.ndarray, catalog: Catalog) -> dict[str, float]:
    if not catalog.attributes:
        return {}
    sets = beyond.indicators(attribute_values(catalog))
    return {"diversity": beyond.over_lists(beyond.intra_list_diversity(items, sets))}


def _share(rows: np.ndarray) -> float:
    return float(rows.mean()) if rows.size else 0.0
