"""What a trained model may be asked: what it was taught, and nothing else."""

from __future__ import annotations

from p5rec.core.errors import UserError
from p5rec.models.checkpoint import Bundle


def check_taught(bundle: Bundle, task: str) -> None:
    """Refuses to ask for what training never showed: the answer would mean nothing.

    Raises:
        UserError: ``task`` is not among the tasks the model was trained on.
    """
    if task not in bundle.settings.tasks:
        raise UserError(
            f"expected a model taught {task!r}, got one taught "
            f"{', '.join(bundle.settings.tasks)}; add {task} to its train.tasks and train again"
        )
