"""Which of the processes launched together this one is, as the launcher (torchrun, accelerate)
says it."""

from __future__ import annotations

import os


def rank() -> int:
    """This process's number, from 0; number 0 writes what is written once."""
    return int(os.environ.get("RANK", "0"))


def processes() -> int:
    """Processes launched together; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))
