"""The ``evaluate:`` section of a recipe, and the checks of the names that it uses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, Self

from pydantic import Field, model_validator

from p5rec.core.config import Config, Lines
from p5rec.core.errors import UserError, did_you_mean
from p5rec.methods.base import LISTS, Method
from p5rec.methods.registry import RANKING
from p5rec.recommend.config import RATING_ESTIMATORS
from p5rec.recommend.serving import ServingConfig
from p5rec.tasks.queries import Count
from p5rec.tasks.registry import TASKS

from .schema import SplitName, Unit

MEAN = " + "  # joins the methods whose mean metric is compared
RANKED_LISTS = "lists"  # marks the ranked lists of a method that also ranks for prompts


class PrimaryConfig(Config):
    """The primary comparison of a recipe, on the test split."""

    compare: tuple[str, str]
    """The two methods, as in ``evaluate.compare``; the claim is that the first is better. In place
    of a method, ``a + b``: the mean of their metrics.
    """
    metric: str
    """Metric of the claim, such as ``AUC`` or ``HR@10``."""
    task: str
    """Task of the metric, such as ``click``; ``sequential``: ranked lists."""
    slice: str | None = None
    """Slice of the test instances, such as ``unseen-item``. null: all."""
    resample: Unit = "users"
    """What the interval resamples. ``items``: for a claim about new items, where few popular ones
    have most of the test instances, so that another draw of items would change the result.
    """
    expected: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Expected difference, for example that of a paper. If it cannot be detected here, an interval
    with 0 is no evidence against it. null: unknown.
    """

    @model_validator(mode="after")
    def _resamples_what_it_weighs(self) -> Self:
        if (self.metric, self.resample) == ("gAUC", "items"):
            raise ValueError("resample: expected users for gAUC, a mean over users; take AUC")
        return self

    @property
    def methods(self) -> set[str]:
        """The names of the two methods, without their rating estimators."""
        return {name.partition(" (")[0] for each in self.compare for name in averaged(each)}


def averaged(name: str) -> list[str]:
    """The methods whose mean metric a primary comparison names; most often one."""
    return name.split(MEAN)


class EvaluateConfig(Config):
    """Ranked lists, prompted tasks, and the comparisons of methods."""

    splits: tuple[SplitName, ...] = Field(("test",), min_length=1)
    """Held-out splits of the ranked lists. Select methods on ``valid``; report ``test``.
    Prompts are evaluated on ``test``.
    """
    k: int = Field(20, ge=5)
    """Length of the ranked lists."""
    lists: bool = True
    """Evaluate ranked lists. false: prompts alone, which saves time if the catalogue is large."""
    exclude_seen: bool = True
    """Exclude the items of a user's history from the lists, also on validation, which selects
    settings and stops training.
    """
    prompts: dict[str, Count] = {}
    """Prompt family or task → number of test instances per method that is trained on it or can
    predict it; ``all``: every one.
    """
    held_out_templates: bool = False
    """Also evaluate on prompt templates held out of training."""
    compare: tuple[tuple[str, str], ...] = ()
    """Pairs of methods for a paired comparison; the claim is that the first is better. Names are
    those of the report's rows. A method's rating estimator is written ``method (estimator)``:
    regression, class, expectation, mean, words or text. With several prompt families of a task, the
    family is added: ``method (family)``, ``method (estimator, family)``. The ranked lists on the
    test instances of a prompted task are ``method (lists)``.
    """
    primary: PrimaryConfig | None = None
    """The one comparison on which the recipe's claim rests, named before the test split is read.
    Its methods are evaluated on validation, too: the report has the smallest difference that is
    detectable there. All other comparisons are secondary. null: none.
    """
    samples: int = Field(10, ge=0)
    """Number of sampled predictions of each kind in the report."""

    @model_validator(mode="after")
    def _primary_on_test(self) -> Self:
        if self.primary is not None and "test" not in self.splits:
            raise ValueError("primary: its verdict needs the test split; add test to splits")
        return self

    @property
    def every_split(self) -> tuple[SplitName, ...]:
        """The splits, and validation for the primary comparison."""
        if self.primary is None or "valid" in self.splits:
            return self.splits
        return (*self.splits, "valid")

    def serving_on(
        self, split_name: SplitName, name: str, serving: ServingConfig
    ) -> ServingConfig | None:
        """How the method ``name`` is queried on a split; None: it is not evaluated there.

        Args:
            split_name: one of :attr:`every_split`.
            name: of the method.
            serving: how it is queried on the test split.
        """
        if split_name == "valid" and self.primary is not None and name in self.primary.methods:
            return serving
        return serving.about(split_name) if split_name in self.splits else None

    def serving(self, method: Method, seed: int, fit_seed: int) -> ServingConfig:
        """How a method of the recipe is queried, in its report and later when its model is served.

        Args:
            method: the method.
            seed: seed of the sampled queries.
            fit_seed: seed of its fit.
        """
        return ServingConfig(
            k=self.k,
            lists=self.lists,
            exclude_seen=self.exclude_seen,
            prompts={task: n for task, n in self.prompts.items() if task in method.tasks},
            held_out_templates=self.held_out_templates and method.prompted,
            seed=seed,
            fit_seed=fit_seed,
        )


def entry_name(method: str, *details: str) -> str:
    """The name of a method's entry in a report: ``llm``, ``llm (words, rating)``.

    Args:
        method: the method's name.
        *details: what tells the entry from the method's other entries on the task: the rating
            estimator, the prompt family, or ``RANKED_LISTS``; empty ones are left out.
    """
    suffix = ", ".join(filter(None, details))
    return f"{method} ({suffix})" if suffix else method


def without_dropped(recipe: Any, lines: Lines) -> Any:
    """``recipe`` without the comparisons and prompts whose methods or baselines it has dropped.

    A config overrides its base, and a command-line override overrides both. A comparison goes when
    a higher layer drops a method or baseline that it names. The prompts of a task go when a higher
    layer drops the last method trained on it. A note says that the primary comparison is gone.

    Args:
        recipe: a config with ``baselines``, ``methods``, ``evaluate`` and ``notes``.
        lines: the source line of each key.
    """
    prompts, pairs = recipe.evaluate.prompts, recipe.evaluate.compare
    methods = {at[1] for at in lines if at[:1] == ("methods",) and len(at) > 1}
    removed = {name: _layer(lines, "methods", name) for name in methods - recipe.methods.keys()}
    unused = {name: _layer(lines, "baselines") for name in set(RANKING) - {*recipe.baselines}}
    dropped = {**unused, **removed}
    tasks = {task for method in recipe.methods.values() for task in method.tasks}
    no_longer_trained = {
        at[4]: _layer(lines, *at) for at in lines
        if at[2:4] == ("train", "tasks") and len(at) == 5 and at[4] not in tasks
    }  # fmt: skip

    def named(pair: tuple[str, str], *at: str | int) -> bool:
        here = _layer(lines, "evaluate", *at)
        names = [name.partition(" (")[0] for each in pair for name in averaged(each)]
        return not any(dropped.get(name, here) > here for name in names)

    def queried(family: str) -> bool:
        here = _layer(lines, "evaluate", "prompts", family)
        above = max([*removed.values(), no_longer_trained.get(family, here)])
        return family in tasks or not (family in no_longer_trained and above > here)

    primary, notes = recipe.evaluate.primary, recipe.notes
    if primary and not named(primary.compare, "primary"):
        notes += (f"No primary comparison: {' - '.join(primary.compare)} names a dropped method.",)
        primary = None
    update = {
        "compare": tuple(pair for n, pair in enumerate(pairs) if named(pair, "compare", n)),
        "primary": primary,
        "prompts": {family: count for family, count in prompts.items() if queried(family)},
    }
    evaluate = recipe.evaluate.model_copy(update=update)
    return recipe.model_copy(update={"evaluate": evaluate, "notes": notes})


def _layer(lines: Lines, *at: str | int) -> int:
    """The layer of the config that set a key; a higher layer overrides a lower one."""
    return getattr(lines.get(at), "layer", 0)


def check_names(recipe: Any, lines: Lines | None = None) -> None:
    """Checks that every name in a recipe exists, before any stage runs.

    Args:
        recipe: a config with ``ids``, ``baselines``, ``methods`` and ``evaluate``.
        lines: the source line of each key, for error messages.

    Raises:
        UserError: one line for each unknown name.
    """
    if errors := list(_name_errors(recipe, lines or {})):
        raise UserError(*errors)


def _name_errors(recipe: Any, lines: Lines) -> Iterator[str]:
    methods, prompts = recipe.methods, recipe.evaluate.prompts
    for name in methods:
        if name in recipe.baselines:
            yield f"methods.{name}: expected a name that no baseline has, got it twice; rename it"
    for name, method in methods.items():
        if method.semantic_ids is not None and method.semantic_ids not in recipe.ids:
            yield _unknown(
                lines, ("methods", name, "ids"),
                f"methods.{name}.ids", "one of ids", method.semantic_ids, recipe.ids,
            )  # fmt: skip
        ranks = recipe.evaluate.lists and LISTS in method.capabilities
        if not (method.prompted or ranks or {*method.tasks} & {*prompts}):
            if not method.tasks:
                yield f"methods.{name}: expected evaluate.lists for a {method.kind}; set it"
                continue
            yield (
                f"methods.{name}: expected the number of {method.tasks[0]!r} queries for a "
                f"{method.kind} in evaluate.prompts, got none; add {method.tasks[0]}: 500"
            )
    tasks = {task for method in methods.values() for task in method.tasks}
    for family in prompts:
        if family not in tasks:
            yield _unknown(
                lines, ("evaluate", "prompts", family),
                "evaluate.prompts", "a task of a method", family, tasks,
            )  # fmt: skip
    references = {name for task in TASKS for name in TASKS.get(task).references}
    known = (*methods, *recipe.baselines, *references)
    prompted = [name for name, method in methods.items() if method.prompted]
    details = [(RANKED_LISTS,), *product(("", *RATING_ESTIMATORS), ("", *prompts))]
    entries = {entry_name(name, *each) for name in prompted for each in details}
    entries |= {entry_name(name, family) for name in references for family in prompts}
    for name, at in _compared_names(recipe).items():
        if name not in known and name not in entries:
            where, wanted, among = f"evaluate.{at[1]}", "a method or baseline", (*known, *entries)
            yield _unknown(lines, at, where, wanted, name, among)
    primary, tasks_of_entries = recipe.evaluate.primary, ("sequential", *TASKS)
    if primary is not None and primary.task not in tasks_of_entries:
        at = ("evaluate", "primary", "task")
        yield _unknown(lines, at, ".".join(at), "a task", primary.task, tasks_of_entries)


def _compared_names(recipe: Any) -> dict[str, tuple[str | int, ...]]:
    """The names in comparisons → the key that has the name first."""
    evaluate, at = recipe.evaluate, dict[str, tuple[str | int, ...]]()
    if evaluate.primary is not None:
        names = [name for each in evaluate.primary.compare for name in averaged(each)]
        at |= dict.fromkeys(names, ("evaluate", "primary", "compare"))
    for n, pair in reversed([*enumerate(evaluate.compare)]):
        at |= dict.fromkeys(pair, ("evaluate", "compare", n))
    return at


def _unknown(
    lines: Lines, at: tuple[str | int, ...], where: str, expected: str, got: str, known: Any
) -> str:
    line = next((lines[at[:n]] for n in range(len(at), 0, -1) if at[:n] in lines), None)
    location = f"{line}: {where}" if line else where
    return f"{location}: expected {expected}, got {got!r}; {did_you_mean(got, known)}"
