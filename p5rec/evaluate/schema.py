"""The report as typed data: what ``report.json`` may hold, and nothing it may not.

A number that could not be measured is None here and ``null`` in the file, never NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, ValidationError

from p5rec.core.artefacts import read_json
from p5rec.core.config import Config
from p5rec.core.errors import input_error
from p5rec.metrics.intervals import LEVEL, RESAMPLES, Interval

RECORD = "report.json"


def plain(value: Any) -> Any:
    """``value`` as JSON can hold it: numpy taken out of its shell, NaN and infinities as None."""
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if value is None or isinstance(value, str | int | float):
        return None if isinstance(value, float) and not isfinite(value) else value
    raise ValueError(f"JSON cannot hold a {type(value).__name__}")


Facts = Annotated[dict[str, Any], BeforeValidator(plain)]
Number = Annotated[float | None, BeforeValidator(plain)]
SplitName = Literal["test", "valid"]
Verdict = Literal["better", "worse", "no difference shown"]
NO_DIFFERENCE: Verdict = "no difference shown"


class Measure(Config):
    """A value and its 95 % interval; None where it could not be measured."""

    value: Number
    low: Number
    high: Number

    @classmethod
    def of(cls, interval: Interval) -> Measure:
        """The measure that an interval of ``p5rec.metrics`` holds."""
        return cls(value=interval.value, low=interval.low, high=interval.high)


class Slice(Config):
    """One part of the test set; ``cannot`` where the method has no answer for such cases."""

    n: int
    metrics: dict[str, Measure] | Literal["cannot"]


class Method(Config):
    """One method on one task and part.

    Attributes:
        name: as a user reads it, e.g. ``item-knn``.
        task: the family, e.g. ``sequential``.
        split: the part it was measured on.
        metrics: by name, e.g. ``HR@10``; where a method was trained with several seeds, the mean.
        by_seed: each metric's value under each of those seeds; empty where there was one.
        invalid_rate: share of answers that name no item (lists) or could not be read (others).
        duplicate_rate: share of list entries that repeat another; None where answers are no lists.
        n: cases measured.
        train_seconds, infer_seconds: wall clock of one run.
        beside: figures without an interval, e.g. ``coverage``.
        slices: by name, e.g. ``unseen-item``.
        about: anything that helps to judge it: parameters, steps, tuned hyper-parameters.
    """

    name: str
    task: str
    split: SplitName
    metrics: dict[str, Measure] = Field(min_length=1)
    by_seed: dict[str, list[Number]] = Field(default_factory=dict)
    invalid_rate: Number
    duplicate_rate: Number
    n: int
    train_seconds: float
    infer_seconds: float
    beside: dict[str, Number] = Field(default_factory=dict)
    slices: dict[str, Slice] = Field(default_factory=dict)
    about: Facts = Field(default_factory=dict)


class Comparison(Config):
    """Method ``a`` minus method ``b`` in one metric, paired over users, and what may be said.

    Attributes:
        value, low, high: the difference and its interval.
        p: two-sided p-value of the bootstrap that made the interval.
        alone: what the interval says by itself: is ``a`` better than ``b``, or worse?
        together: comparisons on the same task, part and metric, this one among them.
        p_adjusted: ``p`` with that number of chances allowed for.
        verdict: what may be claimed, by ``p_adjusted``. None, as ``alone``, where the two could
            not be compared, and in reports older than it.
        by_seed: the difference under each seed; empty where neither has several.
        sentence: all of it, for reading.
    """

    a: str
    b: str
    task: str
    split: SplitName
    metric: str
    value: Number
    low: Number
    high: Number
    p: Number = None
    alone: Verdict | None = None
    together: int | None = None
    p_adjusted: Number = None
    verdict: Verdict | None = None
    by_seed: list[Number] = Field(default_factory=list)
    sentence: str


class Sample(Config):
    """One answer to look at.

    Attributes:
        kind: what it is, e.g. ``explanation``, ``ranked list``.
        method: who answered.
        asked: the question in named pieces, e.g. user, item, latest titles.
        answer: a text, or titles, best first.
        expected: what a person wrote or did, where that is known.
        right: whether the answer is; None where that cannot be said of one answer.
        rank: place of the right item in the list, from 1; None where it is not in it.
        depth: length of the list that was searched for it, ``answer`` may be shorter; None where
            the answer is no list.
    """

    kind: str
    method: str
    asked: dict[str, str] = Field(default_factory=dict)
    answer: list[str]
    expected: str = ""
    right: bool | None = None
    rank: int | None = None
    depth: int | None = None


class Protocol(Config):
    """The rules behind the numbers.

    Attributes:
        splits: rule of each task, e.g. ``{"sequential": "leave-one-out"}``.
        candidates: items ranked for every user; the whole catalogue.
        exclude_seen: whether items of the input history were left out of the lists.
        seeds: of the trained methods' runs.
        ties: what puts items of equal score in order.
        chosen_on: the part that hyper-parameters and stopping points were chosen on.
        code_probabilities: over which codes a generative model's probabilities are normalised.
        correction: how claims of several comparisons are corrected for their number.
        resamples, level: of the bootstrap over users.
    """

    splits: dict[str, str]
    candidates: int | None = None
    exclude_seen: bool | None = None
    seeds: list[int] = Field(min_length=1)
    ties: str = ""
    chosen_on: str = ""
    code_probabilities: str = ""
    correction: str = ""
    resamples: int = RESAMPLES
    level: float = LEVEL


class Report(Config):
    """Everything that a run found.

    Attributes:
        data: counts of the data set.
        protocol: the rules.
        manifest: what made it: command, config, ``versions`` of the libraries.
        seconds: wall clock of the whole run.
        methods: each with its numbers.
        comparisons: paired differences.
        samples: answers to look at.
        notes: sentences a reader must know.
        curves: training run to its ``metrics.jsonl``, relative to the report's folder.
        pictures: caption to file, relative to the report's folder.
    """

    data: Facts
    protocol: Protocol
    manifest: Facts
    seconds: float
    methods: list[Method] = Field(min_length=1)
    comparisons: list[Comparison] = Field(default_factory=list)
    samples: list[Sample] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    curves: dict[str, str] = Field(default_factory=dict)
    pictures: dict[str, str] = Field(default_factory=dict)


def load_report(folder: Path) -> Report:
    """The report in a run's folder, equal to the one written.

    Raises:
        UserError: it is missing, damaged, or holds something unknown.
    """
    path = folder / RECORD
    tree = read_json(path)
    if isinstance(tree, dict) and not tree.get("ladder"):
        tree.pop("ladder", None)  # older reports hold an empty one
    try:
        return Report.model_validate(tree)
    except ValidationError as error:
        first, *more = error.errors()
        where = ".".join(map(str, first["loc"])) or "the whole file"
        got = f"{where}: {first['msg'].lower()}" + (f" (and {len(more)} more)" if more else "")
        raise input_error(path, "a report of this version", got, "run its recipe again") from None
