"""What a trained model can be asked: what it was trained on and has heads for, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from p5rec.core.errors import UserError
from p5rec.models.checkpoint import Bundle
from p5rec.models.ratings import TASK


def check_taught(tasks: Sequence[str], task: str) -> None:
    """Refuses to ask for what training never showed: the answer would mean nothing.

    Raises:
        UserError: ``task`` is not among the ``tasks`` that the model was trained on.
    """
    if task not in tasks:
        raise UserError(
            f"expected a model taught {task!r}, got one taught "
            f"{', '.join(tasks)}; add {task} to its train.tasks and train again"
        )


def check_asked(bundle: Bundle, what: str) -> None:
    """Refuses ``ratings`` or ``explanations`` of a model that was not taught them.

    Raises:
        UserError: it was not.
    """
    if what == "explanations":
        check_taught(bundle.settings.tasks, "explanation")
    elif TASK not in bundle.settings.tasks:
        check_taught(bundle.settings.tasks, "rating")


def check_head(bundle: Bundle) -> None:
    """Refuses to rank by an item head that is not there.

    Raises:
        UserError: the model has no item head.
    """
    if bundle.model.item_head is None:
        raise UserError(
            "search: expected a model with an item head for items, got one without; "
            "take another search, or train with item_head"
        )
