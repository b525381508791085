"""Checks of a generative method against its recipe and the data, before training."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from p5rec.core.errors import all_of
from p5rec.core.recipes import BARE
from p5rec.core.types import Corpus
from p5rec.ids.config import IdsConfig
from p5rec.models.config import RATING_SEQUENCE
from p5rec.prompting import lock
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import unavailable
from p5rec.tasks.fields import DATA
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import unnamed_view
from p5rec.train.learner import (
    LearnerConfig,
    prompt_library,
    training_prompts,
    unknown_tasks,
)

CHAT = "chat"  # capability of a task whose queries methods of the kind recllm alone answer


def check(method: LearnerConfig, name: str, ids: Mapping[str, IdsConfig]) -> Iterator[str]:
    """One line for each error of the config, found without the data; it starts with its key.

    Args:
        method: the config.
        name: of the semantic ids that the method uses.
        ids: the recipe's.

    Raises:
        UserError: a prompt file is invalid, or its text differs from its folder's lock file.
    """
    all_of(*(partial(lock.check, Path(folder)) for folder in method.prompts.folders))
    yield from unknown_tasks(method, prompt_library(method))
    yield from method.train.missing_trackers()
    shared = name in ids and ids[name].collisions == "shared"
    if shared and (method.backbone.item_embeddings or method.backbone.items != "positions"):
        yield (
            "backbone: expected items: positions and item_embeddings: false for ids whose items "
            f"share codes, got item_embeddings: {method.backbone.item_embeddings}, "
            f"items: {method.backbone.items}; set them, or resolve the collisions of {name!r}"
        )


def data_errors(method: LearnerConfig, corpus: Corpus, families: Collection[str]) -> Iterator[str]:
    """One line for each task that the data do not support.

    Args:
        method: the config.
        corpus: the data.
        families: prompt families that the method is evaluated on.
    """
    view = replace(unnamed_view(corpus), knowledge=method.prompts.read_knowledge())
    library = training_prompts(method)
    todo = f"take it out of train.tasks, or start from `base: {BARE}`"
    if not method.train.steps and method.prompts.items == "codes":
        yield from _needing_codes(method, library)
    if RATING_SEQUENCE in method.train.tasks and view.scale is None:
        yield f"{RATING_SEQUENCE} needs {DATA['ratings']}, and the data have none; {todo}"
    if method.train.shared_history is not None and corpus.interactions.behaviours is not None:
        yield (
            "train.shared_history: expected data whose events are all of one kind, got several "
            "behaviours; take it out, or map no behaviour column"
        )
    for family in library.families():
        task = library.family(family).task
        if reason := unavailable(library, family, view):
            yield f"{reason}; {todo}"
        elif family in families and (reason := TASKS.get(task).unavailable(view, "test")):
            yield f"{reason}; take it out of evaluate.prompts"
        elif family in families and TASKS.get(task).capability == CHAT:
            yield (
                "train.tasks: expected prompts that a generative method answers, got "
                f"{family!r}, which methods of kind recllm answer; take it out of evaluate.prompts"
            )


def _needing_codes(method: LearnerConfig, library: PromptLibrary) -> Iterator[str]:
    """One line for each task that a zero-shot model cannot do, because it needs item codes."""
    without_codes = {
        t.family
        for t in library.templates(held_out=False)
        if not t.names_codes and t.target_type not in ("item", "options")
    }
    for task in method.train.tasks:
        if task not in without_codes:
            yield (
                f"expected tasks without item codes where train.steps is 0, got {task!r}, whose "
                "prompts a zero-shot model cannot read; take it out of train.tasks"
            )
