"""The schema of ``report.json``.

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
    """``value`` as a JSON value: numpy values as Python values, NaN and infinities as None."""
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return None if isinstance(value, float) and not isfinite(value) else value
    raise ValueError(f"JSON cannot hold a {type(value).__name__}")


Facts = Annotated[dict[str, Any], BeforeValidator(plain)]
Number = Annotated[float | None, BeforeValidator(plain)]
SplitName = Literal["test", "valid"]
Unit = Literal["users", "items"]
Verdict = Literal["better", "worse", "no difference shown"]
Decision = Literal["yes", "no", "undecidable here"]
NO_DIFFERENCE: Verdict = "no difference shown"


class Measure(Config):
    """A value and its 95 % interval; None where it could not be measured."""

    value: Number
    low: Number
    high: Number

    @classmethod
    def of(cls, interval: Interval) -> Measure:
        """A measure from an interval of ``p5rec.metrics``."""
        return cls(value=interval.value, low=interval.low, high=interval.high)


class Slice(Config):
    """A slice of the test instances; ``unsupported`` where the method cannot predict for them."""

    n: int
    metrics: dict[str, Measure] | Literal["unsupported"]


class Method(Config):
    """One method on one task and split.

    Attributes:
        name: the method's name, e.g. ``item-knn``.
        task: the task or prompt family, e.g. ``sequential``.
        split: the held-out split.
        metrics: by name, e.g. ``HR@10``; the mean over the seeds of a trained method.
        by_seed: each metric's value under each seed; empty where there was one seed.
        invalid_rate: share of list entries that are no item, or of other predictions that could
            not be parsed.
        duplicate_rate: share of list entries that repeat another; None for other predictions.
        n: number of test instances.
        train_seconds, infer_seconds: wall clock of one run.
        other_metrics: metrics without an interval, e.g. ``coverage``.
        slices: by name, e.g. ``unseen-item``.
        about: facts about the method, e.g. parameters, steps and tuned hyper-parameters.
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
    other_metrics: dict[str, Number] = Field(default_factory=dict)
    slices: dict[str, Slice] = Field(default_factory=dict)
    about: Facts = Field(default_factory=dict)


class Comparison(Config):
    """Method ``a`` minus method ``b`` in one metric, paired over users.

    Attributes:
        value, low, high: the difference and its interval.
        p: two-sided p-value from the same bootstrap as the interval.
        uncorrected_verdict: whether ``a`` is better or worse than ``b`` by ``p``.
        family_size: number of comparisons on the same task, split and metric.
        p_adjusted: ``p``, corrected for ``family_size`` comparisons.
        verdict: whether ``a`` is better or worse than ``b`` by ``p_adjusted``. Both verdicts are
            None where the two could not be compared.
        by_seed: the difference under each seed; empty where neither method has several seeds.
        rela_impr: for an AUC, the relative improvement of ``a`` over ``b`` above chance,
            ``(AUC of a - 0.5) / (AUC of b - 0.5) - 1``; None where ``b`` is not above chance.
        sentence: the comparison in words.
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
    uncorrected_verdict: Verdict | None = None
    family_size: int | None = None
    p_adjusted: Number = None
    verdict: Verdict | None = None
    by_seed: list[Number] = Field(default_factory=list)
    rela_impr: Number = None
    sentence: str


class Primary(Config):
    """The primary comparison: method ``a`` minus method ``b`` in one metric, paired.

    Attributes:
        slice: the slice of the test instances; None: all.
        value, low, high: the difference on test and its interval.
        p: two-sided p-value, without correction: the claim is a single one.
        by_seed: the difference under each seed; empty where neither method has several seeds.
        resample: the units that the interval and the detectable difference resample.
        users, items: of the test instances, their number.
        detectable: the smallest detectable difference, 2.8 standard errors of the paired difference
            on validation.
        valid_users, valid_items: of the validation instances, their number.
        expected: the expected difference, for example that of a paper.
        verdict: whether ``a`` is better. ``no``: it is worse, or the interval contains 0 although
            the expected difference is detectable.
        sentence: the comparison in words.
    """

    a: str
    b: str
    task: str
    metric: str
    slice: str | None = None
    value: Number
    low: Number
    high: Number
    p: Number
    by_seed: list[Number] = Field(default_factory=list)
    resample: Unit = "users"
    users: int
    items: int = 0
    detectable: Number
    valid_users: int
    valid_items: int = 0
    expected: float | None = None
    verdict: Decision
    sentence: str


class Sample(Config):
    """One sampled prediction.

    Attributes:
        kind: the kind of prediction, e.g. ``explanation``, ``ranked list``.
        method: the method's name.
        query: the query by field, e.g. user, item, latest titles.
        prediction: a text, or titles, best first.
        target: the target, as a text or titles; empty where it is unknown.
        correct: whether the prediction is correct; None for predictions that are neither.
        rank: rank of the target in the list, from 1; None where it is not in the list.
        depth: length of the ranked list, of which ``prediction`` may be the start; None where the
            prediction is no list.
    """

    kind: str
    method: str
    query: dict[str, str] = Field(default_factory=dict)
    prediction: list[str]
    target: str = ""
    correct: bool | None = None
    rank: int | None = None
    depth: int | None = None


class Protocol(Config):
    """The evaluation protocol.

    Attributes:
        splits: split rule of each task, e.g. ``{"sequential": "leave-one-out"}``.
        candidates: number of items ranked for every user, the whole catalogue.
        exclude_seen: whether ranked lists exclude the items of the input history.
        seeds: seeds of the trained methods' runs.
        ties: the order of items with equal scores.
        selected_on: the split that selects hyper-parameters and stopping points.
        code_probabilities: the codes over which a generative model normalises probabilities.
        correction: the correction for multiple comparisons.
        resamples, level: number of bootstrap resamples of users, and level of the intervals.
    """

    splits: dict[str, str]
    candidates: int | None = None
    exclude_seen: bool | None = None
    seeds: list[int] = Field(min_length=1)
    ties: str = ""
    selected_on: str = ""
    code_probabilities: str = ""
    correction: str = ""
    resamples: int = RESAMPLES
    level: float = LEVEL


class Report(Config):
    """The results of a run.

    Attributes:
        data: counts of the data set.
        protocol: the evaluation protocol.
        manifest: command, config and ``versions`` of the libraries.
        seconds: sum of the run times of a run's stages; of another command, its duration.
        clock_seconds: time in which at least one stage ran, so parallel ones count once; None: the
            command has no stages.
        methods: the metrics of each method.
        primary: the primary comparison, if the recipe names one.
        comparisons: paired differences; secondary beside a primary comparison.
        samples: sampled predictions.
        notes: sentences for the reader.
        curves: training run to its ``metrics.jsonl``, relative to the report's folder.
        pictures: caption to file, relative to the report's folder.
    """

    data: Facts
    protocol: Protocol
    manifest: Facts
    seconds: float
    clock_seconds: float | None = None
    methods: list[Method] = Field(min_length=1)
    primary: Primary | None = None
    comparisons: list[Comparison] = Field(default_factory=list)
    samples: list[Sample] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    curves: dict[str, str] = Field(default_factory=dict)
    pictures: dict[str, str] = Field(default_factory=dict)


def load_report(folder: Path) -> Report:
    """The report in a run's folder, equal to the one written.

    Raises:
        UserError: the file is missing or damaged, or has an unknown key.
    """
    path = folder / RECORD
    tree = read_json(path)
    try:
        return Report.model_validate(tree)
    except ValidationError as error:
        first, *more = error.errors()
        where = ".".join(map(str, first["loc"])) or "the whole file"
        got = f"{where}: {first['msg'].lower()}" + (f" (and {len(more)} more)" if more else "")
        raise input_error(path, "a report of this version", got, "run its recipe again") from None
