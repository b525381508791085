"""A method's answers in, its numbers out: with intervals, slices, and the faults beside.

B cases, K list length, N items. A case belongs to a user, or to none where its user is -1 (a
question about an item).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NotRequired, TypedDict, Unpack

import numpy as np

from p5rec.core.types import Catalog, Corpus, RankedLists
from p5rec.metrics import beyond
from p5rec.metrics import ranking as listed
from p5rec.metrics import rating as rated
from p5rec.metrics import text as written
from p5rec.metrics.intervals import Statistic, bootstrap, mean_intervals, mean_of, ratio_of
from p5rec.metrics.slices import slices

from .schema import Measure, Method, Part, Slice

SLICE_DEPTH = 10


class Run(TypedDict):
    """What only the caller knows: part, seed of the bootstrap, and how the answers came about.

    ``tokens`` are those of all questions that a language model was asked.
    """

    split: Part
    seed: int
    task: NotRequired[str]
    train_seconds: NotRequired[float]
    infer_seconds: NotRequired[float]
    tokens: NotRequired[int]
    about: NotRequired[Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Measured:
    """A method's entry in the report, and what comparing it with another needs.

    Attributes:
        method: the entry.
        users: ``(B,)`` the user of each case; a case of no user has a negative number of its own.
        values: what each case contributes, name to ``(B,)``.
        statistic: row weights ``(R, B)`` to ``(R, M)``, the M metrics in the entry's order.
    parts: name to ``(B,)`` bool, the cases of each slice.
    """

    method: Method
    users: np.ndarray
    values: Mapping[str, np.ndarray]
    statistic: Statistic
    parts: Mapping[str, np.ndarray] = field(default_factory=dict)


def ranking(
    name: str,
    lists: RankedLists,
    targets: np.ndarray,
    corpus: Corpus,
    *,
    cannot: Collection[str] = (),
    **run: Unpack[Run],
) -> Measured:
    """HR, NDCG and MRR at 5, 10 and 20, as far as the lists reach, and what the lists are like.

    Args:
        name: the method.
        lists: ``(B, K)``.
        targets: ``(B,)`` the right item of each list.
        corpus: its training events define slices and novelty.
        cannot: slices that the method has no answer for, such as ``unseen-item``.
        **run: see :class:`Run`; the task is ``sequential`` unless named.
    """
    items, n_items = lists.items, len(corpus.catalog)
    depths = [k for k in listed.KS if k <= items.shape[1]] or [items.shape[1]]
    values = listed.per_user(items, targets, depths)
    log = corpus.interactions
    counts = np.bincount(log.items[corpus.split.mask("train")], minlength=n_items)
    real = np.where(items < n_items, items, -1)
    depth = max((k for k in depths if k <= SLICE_DEPTH), default=depths[0])
    shown = {metric: values[metric] for metric in (f"HR@{depth}", f"NDCG@{depth}")}
    parts = slices(lists.users, targets, log, corpus.split)
    parts["short-history"] &= lists.users >= 0
    return _measured(
        name, "sequential", run, lists.users, values, _means(values), list(values),
        invalid_rate=listed.invalid_rate(items, n_items),
        duplicate_rate=listed.duplicate_rate(items),
        beside={
            "coverage": beyond.coverage(real, n_items),
            "novelty_bits": beyond.novelty(real, counts),
            "gini": beyond.gini(real, n_items),
            "short_rate": listed.short_rate(items),
        },
        parts=parts,
        slices=_sliced(shown, _units(lists.users), parts, cannot, run["seed"]),
    )  # fmt: skip


def rating(
    name: str,
    predictions: np.ndarray,
    ratings: np.ndarray,
    users: np.ndarray,
    scale: tuple[float, float],
    **run: Unpack[Run],
) -> Measured:
    """RMSE, MAE and AUC of "liked", predictions clipped to the scale.

    An answer that could not be read is NaN. It counts as the middle of the scale, so that all
    methods are measured on the same cases; ``about`` holds the share that could be read.

    Args:
        name: the method.
        predictions: ``(B,)`` rating points.
        ratings: ``(B,)`` those given.
        users: ``(B,)``.
        scale: lowest and highest rating.
        **run: see :class:`Run`; the task is ``rating`` unless named.
    """
    unread = np.isnan(predictions)
    clipped = rated.clip(np.where(unread, sum(scale) / 2, predictions), scale)
    errors = rated.errors(clipped, ratings)
    run["about"] = {**run.get("about", {}), "parse_rate": 1 - _share(unread)}
    return _measured(
        name, "rating", run, users, errors, rated.statistic(clipped, ratings), rated.NAMES,
        invalid_rate=_share(unread),
    )  # fmt: skip


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
    columns = [catalog.values(attribute) for attribute in catalog.attributes]
    facts = [tuple(chain(*own)) for own in zip(*columns, strict=True)] or [()] * len(catalog)
    grounded, named = written.groundedness(texts, items, facts).T
    parts = (written.bleu(texts, references), _means(values), ratio_of(grounded, named))
    return _measured(
        name, "explanation", run, users, values,
        lambda weights: np.concatenate([part(weights) for part in parts], axis=1),
        ("BLEU-4", *values, "groundedness"),
        invalid_rate=_share(np.array([not answer.strip() for answer in texts])),
        beside={"distinct_sentences": written.distinct_sentences(texts)},
    )  # fmt: skip


def accuracy(name: str, correct: np.ndarray, users: np.ndarray, **run: Unpack[Run]) -> Measured:
    """Share of right answers where one of few is right: candidates, yes or no.

    Args:
        name: the method.
        correct: ``(B,)`` 1 right, 0 wrong, NaN an answer that could not be read, which is wrong.
        users: ``(B,)``.
        **run: see :class:`Run`; the task is ``choice`` unless named.
    """
    unread = np.isnan(correct.astype(np.float64))
    values = {"accuracy": np.where(unread, 0, correct).astype(np.float64)}
    run["about"] = {**run.get("about", {}), "parse_rate": 1 - _share(unread)}
    return _measured(
        name, "choice", run, users, values, _means(values), ["accuracy"],
        invalid_rate=_share(unread),
    )  # fmt: skip


def _measured(
    name: str,
    task: str,
    run: Run,
    users: np.ndarray,
    values: Mapping[str, np.ndarray],
    statistic: Statistic,
    metrics: Sequence[str],
    *,
    invalid_rate: float,
    duplicate_rate: float | None = None,
    parts: Mapping[str, np.ndarray] | None = None,
    beside: Mapping[str, float] | None = None,
    **fields: Any,
) -> Measured:
    units = _units(users)
    intervals = bootstrap(statistic, units, seed=run["seed"])
    beside = dict(beside or {})
    if "tokens" in run and len(users):
        beside["tokens_per_question"] = run["tokens"] / len(users)
    method = Method(
        name=name,
        task=run.get("task", task),
        split=run["split"],
        metrics={m: Measure.of(i) for m, i in zip(metrics, intervals, strict=True)},
        invalid_rate=invalid_rate,
        duplicate_rate=duplicate_rate,
        n=len(users),
        train_seconds=run.get("train_seconds", 0.0),
        infer_seconds=run.get("infer_seconds", 0.0),
        about=dict(run.get("about", {})),
        beside=beside,
        **fields,
    )
    return Measured(method, units, values, statistic, parts or {})


def average(runs: Sequence[Measured], seed: int) -> Measured:
    """Runs of one method that differ by their seeds alone, as one entry: the mean of all figures.

    An interval is that of the mean over the runs: it says what other users would change, and the
    entry's ``by_seed`` what other seeds would.

    Args:
        runs: measured on the same task, part and cases, at least one; one is its own average.
        seed: of the bootstrap.
    """
    first, methods = runs[0], [run.method for run in runs]
    if len(runs) == 1:
        return first

    def statistic(weights: np.ndarray) -> np.ndarray:
        return np.mean([run.statistic(weights) for run in runs], axis=0)

    values = {name: np.mean([run.values[name] for run in runs], axis=0) for name in first.values}
    intervals = bootstrap(statistic, first.users, seed=seed)
    cuts = first.method.slices
    cannot = {name for name, cut in cuts.items() if cut.metrics == "cannot"}
    sliced = dict.fromkeys(m for c in cuts.values() if c.metrics != "cannot" for m in c.metrics)
    shown = {metric: values[metric] for metric in sliced}
    method = first.method.model_copy(
        update={
            "metrics": {
                m: Measure.of(i) for m, i in zip(first.method.metrics, intervals, strict=True)
            },
            "by_seed": {m: [e.metrics[m].value for e in methods] for m in first.method.metrics},
            "invalid_rate": _mean([m.invalid_rate for m in methods]),
            "duplicate_rate": _mean([m.duplicate_rate for m in methods]),
            "train_seconds": _mean([m.train_seconds for m in methods]),
            "infer_seconds": _mean([m.infer_seconds for m in methods]),
            "beside": {n: _mean([m.beside[n] for m in methods]) for n in first.method.beside},
            "slices": _sliced(shown, first.users, first.parts, cannot, seed),
        }
    )
    return Measured(method, first.users, values, statistic, first.parts)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _sliced(
    values: Mapping[str, np.ndarray],
    units: np.ndarray,
    parts: Mapping[str, np.ndarray],
    cannot: Collection[str],
    seed: int,
) -> dict[str, Slice]:
    found = {}
    for name, rows in parts.items():
        own = {metric: column[rows] for metric, column in values.items()}
        intervals = mean_intervals(own, units[rows], seed=seed)
        metrics = {metric: Measure.of(interval) for metric, interval in intervals.items()}
        found[name] = Slice(n=int(rows.sum()), metrics="cannot" if name in cannot else metrics)
    return found


def _units(users: np.ndarray) -> np.ndarray:
    """What the bootstrap draws, ``(B,)``: users, and each case that is no user's by itself."""
    return np.where(users >= 0, users, -1 - np.arange(len(users)))


def _means(values: Mapping[str, np.ndarray]) -> Statistic:
    return mean_of(np.stack(list(values.values()), axis=1))


def _share(rows: np.ndarray) -> float:
    return float(rows.mean()) if rows.size else 0.0
