"""How many processes train together, as the launcher (torchrun, accelerate) says it."""

from __future__ import annotations

import os

from p5rec.core.errors import UserError


def processes() -> int:
    """Processes launched together; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this is the process that writes files."""
    return os.environ.get("RANK", "0") == "0"


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
