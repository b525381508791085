"""What a recipe measures, as its ``evaluate:`` section says it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from p5rec.core.config import Config, Lines
from p5rec.core.errors import UserError, did_you_mean
from p5rec.methods.base import LISTS, Method
from p5rec.methods.registry import RANKING
from p5rec.recommend.config import READINGS
from p5rec.recommend.serving import ServingConfig
from p5rec.tasks.registry import TASKS

from .schema import Part


class EvaluateConfig(Config):
    """Lists, prompted families, and which methods are set against each other."""

    parts: tuple[Part, ...] = Field(("test",), min_length=1)
    """Held-out splits to make lists for. Choose between methods on ``valid``; report ``test``.
    Prompts are evaluated on ``test``.
    """
    k: int = Field(20, ge=5)
    """Length of the ranked lists."""
    exclude_seen: bool = True
    """Leave the items of a user's history out of the lists, also on validation, where settings are
    chosen and training is stopped.
    """
    ask: dict[str, int] = {}
    """Prompt family or task → number of test instances per method that is trained on it or can
    predict it.
    """
    unseen: bool = False
    """Also evaluate on prompt templates held out of training."""
    compare: tuple[tuple[str, str], ...] = ()
    """Pairs of methods for a paired comparison; the claim is that the first is better. A method's
    rating estimator is written ``method (estimator)``: regression, class, expectation, mean, words
    or text; with several families of the task, ``method (estimator, family)``.
    """
    samples: int = Field(10, ge=0)
    """Users whose lists and answers the report shows."""

    def serving(self, method: Method, seed: int, fit_seed: int) -> ServingConfig:
        """How a method of the recipe is queried, here and wherever its model is used later.

        Args:
            seed: of the choice of questions.
            fit_seed: of its fit.
        """
        return ServingConfig(
            k=self.k,
            exclude_seen=self.exclude_seen,
            questions={task: n for task, n in self.ask.items() if task in method.tasks},
            unseen=self.unseen and method.prompted,
            seed=seed,
            fit_seed=fit_seed,
        )


def reading_name(method: str, reading: str, form: str) -> str:
    """What a report calls one reading of a method's ratings: ``llm (words)``.

    Args:
        reading: empty where the method has one way to rate.
        form: the family, where the method was asked for ratings in several; else empty.
    """
    told = ", ".join(filter(None, (reading, form)))
    return f"{method} ({told})" if told else method


def without_dropped(recipe: Any, lines: Lines) -> Any:
    """``recipe`` less what its base measures of methods and baselines that it does not take over.

    A comparison goes where a layer above it (the config over its base, an override over both)
    dropped what it names; a question, where so did the last method that was taught it.

    Args:
        recipe: a config with ``baselines``, ``methods`` and ``evaluate``.
        lines: what set each key of it.
    """
    asked, pairs = recipe.evaluate.ask, recipe.evaluate.compare
    methods = {at[1] for at in lines if at[:1] == ("methods",) and len(at) > 1}
    gone = {name: _layer(lines, "methods", name) for name in methods - recipe.methods.keys()}
    unfit = {name: _layer(lines, "baselines") for name in set(RANKING) - {*recipe.baselines}}
    dropped = {**unfit, **gone}
    taught = {task for method in recipe.methods.values() for task in method.tasks}
    no_longer_trained = {
        at[4]: _layer(lines, *at) for at in lines
        if at[2:4] == ("train", "tasks") and len(at) == 5 and at[4] not in taught
    }  # fmt: skip

    def compared(n: int, pair: tuple[str, str]) -> bool:
        here = _layer(lines, "evaluate", "compare", n)
        return not any(dropped.get(name.partition(" (")[0], here) > here for name in pair)

    def put(family: str) -> bool:
        here = _layer(lines, "evaluate", "ask", family)
        above = max([*gone.values(), no_longer_trained.get(family, here)])
        return family in taught or not (family in no_longer_trained and above > here)

    kept = {
        "compare": tuple(pair for n, pair in enumerate(pairs) if compared(n, pair)),
        "ask": {family: count for family, count in asked.items() if put(family)},
    }
    return recipe.model_copy(update={"evaluate": recipe.evaluate.model_copy(update=kept)})


def _layer(lines: Lines, *at: str | int) -> int:
    """Of the place that set a key: the higher wins."""
    return getattr(lines.get(at), "layer", 0)


def check_names(recipe: Any, lines: Lines | None = None) -> None:
    """What the sections of a recipe say of each other, checked before anything is made.

    Args:
        recipe: a config with ``ids``, ``baselines``, ``methods`` and ``evaluate``.
        lines: what set each key of it, to say where a fault is.

    Raises:
        UserError: a line for each name that names nothing.
    """
    if faults := list(_faults(recipe, lines or {})):
        raise UserError(*faults)


def _faults(recipe: Any, lines: Lines) -> Iterator[str]:
    methods, asked = recipe.methods, recipe.evaluate.ask
    for name in methods:
        if name in recipe.baselines:
            yield f"methods.{name}: expected a name that no baseline has, got it twice; rename it"
    for n, name in enumerate(recipe.baselines):
        if name not in RANKING:
            yield _unknown(lines, ("baselines", n), "baselines", "a baseline", name, RANKING)
    for name, method in methods.items():
        if method.semantic_ids is not None and method.semantic_ids not in recipe.ids:
            yield _unknown(
                lines, ("methods", name, "ids"),
                f"methods.{name}.ids", "one of ids", method.semantic_ids, recipe.ids,
            )  # fmt: skip
        if not (method.prompted or LISTS in method.capabilities or {*method.tasks} & {*asked}):
            yield (
                f"methods.{name}: expected evaluate.ask to say how many questions of "
                f"{method.tasks[0]!r} a {method.kind} is put, got none; add {method.tasks[0]}: 500"
            )
    taught = {task for method in methods.values() for task in method.tasks}
    for family in asked:
        if family not in taught:
            yield _unknown(
                lines, ("evaluate", "ask", family),
                "evaluate.ask", "a task that a method is taught", family, taught,
            )  # fmt: skip
    references = {name for task in TASKS for name in TASKS.get(task).references}
    known = (*methods, *recipe.baselines, *references)
    prompted = [name for name, method in methods.items() if method.prompted]
    read = {
        reading_name(name, reading, form)
        for name in prompted for reading in READINGS for form in ("", *asked)
    }  # fmt: skip
    places = {
        name: ("evaluate", "compare", n)
        for n, pair in reversed([*enumerate(recipe.evaluate.compare)]) for name in pair
    }  # fmt: skip
    for name in dict.fromkeys(name for pair in recipe.evaluate.compare for name in pair):
        if name not in known and name not in read:
            wanted, among = "a method or baseline", (*known, *read)
            yield _unknown(lines, places[name], "evaluate.compare", wanted, name, among)


def _unknown(
    lines: Lines, at: tuple[str | int, ...], where: str, expected: str, got: str, known: Any
) -> str:
    found = next((lines[at[:n]] for n in range(len(at), 0, -1) if at[:n] in lines), None)
    place = f"{found}: {where}" if found else where
    return f"{place}: expected {expected}, got {got!r}; {did_you_mean(got, known)}"
