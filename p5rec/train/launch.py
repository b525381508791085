"""Whether the processes launched together do train together."""

from __future__ import annotations

from p5rec.core.errors import UserError
from p5rec.core.launch import processes


def check_joined(found: int) -> None:
    """Refuses to train when the processes did not find each other: each would train alone.

    Args:
        found: processes that the trainer knows of.

    Raises:
        UserError: fewer or more than were launched.
    """
    if found != processes():
        raise UserError(
            f"expected {processes()} processes training together, got {found} "
            "(on CPU launch with `ACCELERATE_USE_CPU=true torchrun`); mend the launch command"
        )
