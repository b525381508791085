"""Fits a method: a trial for each point of its grid, then the best point under each seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from p5rec.core.errors import input_error
from p5rec.core.progress import open_bar
from p5rec.data.split import ALL
from p5rec.methods.base import Method
from p5rec.methods.fitted import MODEL, Fitted

from .method_runs import ALONE, MethodRun, RunContext, Trial, seconds
from .prepared import Prepared


def fit_method(
    method: Method,
    prepared: Prepared,
    among: RunContext = ALONE,
    repeats: int = 1,
    first: int = 0,
    name: str = "",
) -> list[Fitted]:
    """Fits the method to the training events, once for each seed.

    Validation selects settings under the method's own seed; other seeds use the same settings. A
    method that is not stochastic is fitted once.

    Args:
        method: the method.
        prepared: the data.
        among: the results of the run so far.
        repeats: number of seeds.
        first: offset of the first seed from the method's seed.
        name: of the method in its recipe, for log lines; empty: its kind.

    Raises:
        UserError: the method needs validation and the split has no validation events.
    """
    if method.needs_validation and prepared.corpus.split.name == ALL:
        raise input_error(
            "data.split", f"a rule with validation events, which a {method.kind} needs",
            repr(ALL), "fit it with such a rule, then refit it (p5rec refit)",
        )  # fmt: skip
    name = name or method.kind
    points = method.points()
    best, trials = 0, []
    if len(points) > 1:
        trials = _trials(points, prepared, among, name)
        values = [trial.value for trial in trials]
        if np.isnan(values).any():
            raise input_error(
                f"methods.{name}.tune", "a validation metric for each candidate", "none",
                "the validation targets have one class; set tune: {} and fixed values",
            )  # fmt: skip
        best = values.index(max(values))  # of equal ones the first
    runs = []
    for n in range(first, first + repeats) if method.stochastic else (0,):
        tried = trials[best] if trials and not n else None
        run = MethodRun.of(points[best], prepared, among, n, name)
        stage = tried.fit_stage if tried else None
        stage = stage or run.fit(tried.model if tried else None)
        searched = [] if n else trials
        trained = [*run.stages(stage), *chain(*(trial.stages for trial in searched))]
        about = {
            "train_seconds": round(seconds(trained), 3),
            **points[best].describe(),
            **points[best].chosen(stage.path / MODEL),
            **({"configs_tried": len(points)} if searched else {}),
        }
        runs.append(Fitted(name, points[best], run.seed, stage, run.complete(stage), about))
    return runs


def fit_point(method: Method, prepared: Prepared, among: RunContext, point: int) -> None:
    """Computes the trial of one point of a method's grid; :func:`fit_method` then finds it."""
    MethodRun.of(method.points()[point], prepared, among, 0, method.kind).trial()


def fit_component(
    method: Method, prepared: Prepared, among: RunContext, nth: int, name: str, need: str
) -> None:
    """Fits a component of a method; :func:`fit_method` then finds it.

    Args:
        method: the method that has the component.
        prepared: the data.
        among: the results of the run so far.
        nth: the number of the seed.
        name: of the method in its recipe.
        need: the name of the component's fit among the method's needs.
    """
    run = MethodRun.of(method, prepared, among, nth, name)
    run.provide(method.needs(run.seed)[need])


def _trials(
    points: Sequence[Method], prepared: Prepared, among: RunContext, name: str
) -> list[Trial]:
    """The trials of ``points``, with one stage each, or two for collective fits."""
    quiet = replace(prepared, store=prepared.store.quiet())
    trials = []
    desc, off = f"tune {name}", bool(prepared.store.rank)
    with open_bar(len(points), desc, "trial", off=off) as bar:
        for point in points:
            trials.append(MethodRun.of(point, quiet, among, 0, name).trial())
            bar.update()
    return trials
