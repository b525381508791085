"""The rank and the world size of this process, as the launcher (torchrun, accelerate) sets them."""

from __future__ import annotations

import os


def rank() -> int:
    """The rank of this process, from 0; rank 0 writes the files."""
    return int(os.environ.get("RANK", "0"))


def processes() -> int:
    """The number of processes in this launch; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))
