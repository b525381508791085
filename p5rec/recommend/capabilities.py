"""What a trained model can predict: the tasks it was trained on and the heads it has."""

from __future__ import annotations

from collections.abc import Sequence

from p5rec.core.errors import UserError
from p5rec.models.bundle import Bundle
from p5rec.models.ratings import TASK


def require_task(tasks: Sequence[str], task: str) -> None:
    """Refuses a task that the model was not trained on: its predictions would mean nothing.

    Raises:
        UserError: ``task`` is not among the ``tasks`` that the model was trained on.
    """
    if task not in tasks:
        raise UserError(
            f"expected a model trained on {task!r}, got one trained on "
            f"{', '.join(tasks)}; add {task} to its train.tasks and train again"
        )


def require_output(bundle: Bundle, what: str) -> None:
    """Refuses ``ratings`` or ``explanations`` if the model was not trained to predict them.

    Raises:
        UserError: the model was not.
    """
    if what == "explanations":
        require_task(bundle.settings.tasks, "explanation")
    elif TASK not in bundle.settings.tasks:
        require_task(bundle.settings.tasks, "rating")


def require_item_head(bundle: Bundle) -> None:
    """Refuses to rank by the item head if the model has none.

    Raises:
        UserError: the model has no item head.
    """
    if bundle.model.item_head is None:
        raise UserError(
            "search: expected a model with an item head, got one without; "
            "take another search, or train with item_head"
        )
