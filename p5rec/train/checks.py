"""What a recipe's methods ask of each other and of the data, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

from p5rec.core.errors import UserError, all_of, did_you_mean, fault
from p5rec.core.types import Corpus
from p5rec.data.files import existing
from p5rec.ids.config import IdsConfig
from p5rec.models.config import BUNDLE, DENSE_RATING
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import unavailable
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import unnamed_view

from .method import GenerativeConfig, taught_prompts


def in_order(methods: Mapping[str, GenerativeConfig]) -> list[str]:
    """The methods' names, each after the one that it starts from.

    Raises:
        UserError: a start is neither a method nor a model's folder; or starts go round in a circle.
    """
    order: dict[str, None] = {}

    def place(name: str, above: tuple[str, ...] = ()) -> None:
        start = methods[name].start
        if name in above:
            circle = " > ".join((*above, name))
            raise fault(f"methods.{name}.start", "a first method", f"a circle ({circle})", "cut it")
        if start is not None and start in methods:
            place(start, (*above, name))
        elif start is not None and not (Path(start) / BUNDLE).is_file():
            raise fault(
                f"methods.{name}.start", "a method's name or a model's folder", repr(start),
                did_you_mean(start, [other for other in methods if other != name]),
            )  # fmt: skip
        order[name] = None

    for name in methods:
        place(name)
    return list(order)


def check_methods(methods: Mapping[str, GenerativeConfig], ids: Mapping[str, IdsConfig]) -> None:
    """What is wrong with methods and ids and is seen without the data.

    Raises:
        UserError: a task, start, folder of prompts, file of vectors or tracker is not there.
    """

    def tasks_of(name: str) -> None:
        try:
            taught_prompts(methods[name])
            methods[name].train.check_trackers()
        except UserError as error:
            raise UserError(*(f"methods.{name}: {line}" for line in error.lines)) from None

    files = [config.vectors.file.path for config in ids.values() if config.vectors.file]
    all_of(
        lambda: in_order(methods),
        *(partial(tasks_of, name) for name in methods),
        *(partial(existing, file) for file in files),
    )


def check_tasks(
    methods: Mapping[str, GenerativeConfig], asked: Collection[str], corpus: Corpus
) -> None:
    """Refuses what the data cannot teach or be asked, before anything is trained.

    Args:
        methods: by name.
        asked: families to be asked about the test part, of those that a method is taught.
        corpus: the data.

    Raises:
        UserError: a line for each task that cannot be.
    """
    view = unnamed_view(corpus)
    faults: list[str] = []
    for name, method in methods.items():
        library = taught_prompts(method)
        if not method.train.steps and method.prompts.items == "codes":
            faults += _unreadable(name, method, library)
        if DENSE_RATING in method.train.tasks and view.scale is None:
            faults.append(
                f"methods.{name}: {DENSE_RATING} needs ratings, and the data have none; take it "
                "out of train.tasks"
            )
        for family in library.families():
            if reason := unavailable(library, family, view):
                faults.append(f"methods.{name}: {reason}; take it out of train.tasks")
            elif family in asked and (
                reason := TASKS.get(library.family(family).task).unavailable(view, "test")
            ):
                faults.append(f"evaluate.ask: {reason}; take it out")
    if faults:
        raise UserError(*dict.fromkeys(faults))


def _unreadable(name: str, method: GenerativeConfig, library: PromptLibrary) -> list[str]:
    """What cannot be asked of a model that knows no item codes, a line a task."""
    told = {
        t.family
        for t in library.templates(unseen=False)
        if not t.names_codes and t.answer not in ("item", "options")
    }
    return [
        f"methods.{name}: expected tasks in words alone where train.steps is 0, got {task!r}, "
        "which an untrained model cannot be asked; take it out of train.tasks"
        for task in method.train.tasks
        if task not in told
    ]
