"""One command at a time where two would write the same."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def alone(lock: Path, busy: str) -> Iterator[None]:
    """Holds the file ``lock``, which goes at the end; a command that dies lets go of it.

    Such locks hold between the processes of one machine; a network file system may not keep them.

    Args:
        busy: told before waiting for another command.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock)
    try:
        held.acquire(blocking=False)
    except Timeout:
        print(f"{busy}; waiting", file=sys.stderr)
        held.acquire()
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)  # who waits for a file that is gone takes the next one
        held.release()
