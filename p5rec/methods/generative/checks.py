"""What a generative method asks of its recipe and of the data, checked before it is trained."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from p5rec.core.errors import UserError
from p5rec.core.types import Corpus
from p5rec.ids.config import IdsConfig
from p5rec.models.config import RATING_SEQUENCE
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import unavailable
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import unnamed_view
from p5rec.train.learner import LearnerConfig, training_prompts


def check(method: LearnerConfig, name: str, ids: Mapping[str, IdsConfig]) -> None:
    """Checks what can be checked without the data.

    Args:
        name: of the ids that the method names items by.
        ids: the recipe's.

    Raises:
        UserError: a task, a folder of prompts or a tracker is not there; or the method's ids share
            codes, which it cannot tell apart.
    """
    training_prompts(method)
    method.train.check_trackers()
    shared = name in ids and ids[name].collisions == "shared"
    if shared and (method.backbone.item_embeddings or method.backbone.items != "positions"):
        raise UserError(
            "backbone: expected items: positions and item_embeddings: false beside ids whose items share "
            f"codes, got item_embeddings: {method.backbone.item_embeddings}, items: {method.backbone.items}; "
            f"set them, or resolve the collisions of {name!r}"
        )


def faults(method: LearnerConfig, corpus: Corpus, asked: Collection[str]) -> Iterator[str]:
    """What the data cannot teach the method, or be asked of it, a line each.

    Args:
        asked: families to be asked about the test part.
    """
    view, library = unnamed_view(corpus), training_prompts(method)
    if not method.train.steps and method.prompts.items == "codes":
        yield from _unreadable(method, library)
    if RATING_SEQUENCE in method.train.tasks and view.scale is None:
        yield f"{RATING_SEQUENCE} needs ratings, and the data have none; take it out of train.tasks"
    for family in library.families():
        task = library.family(family).task
        if reason := unavailable(library, family, view):
            yield f"{reason}; take it out of train.tasks"
        elif family in asked and (reason := TASKS.get(task).unavailable(view, "test")):
            yield f"{reason}; take it out of evaluate.prompts"


def _unreadable(method: LearnerConfig, library: PromptLibrary) -> Iterator[str]:
    """What cannot be asked of a model that knows no item codes, a line a task."""
    told = {
        t.family
        for t in library.templates(held_out=False)
        if not t.names_codes and t.target_type not in ("item", "options")
    }
    for task in method.train.tasks:
        if task not in told:
            yield (
                f"expected tasks in words alone where train.steps is 0, got {task!r}, which an "
                "untrained model cannot be asked; take it out of train.tasks"
            )
