"""Locks between processes: a lock file that one process holds until it releases it or dies.

On a network file system these locks are advisory: they exclude other machines only if the file
server supports locks.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

from filelock import FileLock, Timeout

LAUNCHED_BY = ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT")


@contextmanager
def exclusive_lock(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds the lock file ``path``, which exists only while a process holds it.

    Args:
        path: the lock file.
        on_wait: called once if another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            on_wait()
            lock.acquire()
        yield
    finally:
        if lock.is_locked:
            release(lock)
        else:  # interrupted while acquiring
            held(path)


def print_waiting(busy: str) -> Callable[[], None]:
    """A callback for :func:`exclusive_lock` that prints the reason for the wait to stderr."""
    return lambda: print(f"{busy}; waiting", file=sys.stderr)


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Holds the lock ``path`` if no other process does; yields whether it does."""
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        release(lock)


def held(path: Path) -> bool:
    """Whether a living process holds the lock ``path``; removes the file of a dead process."""
    if not path.exists():
        return False
    with try_lock(path) as free:
        return not free


def release(lock: FileLock) -> None:
    """Removes the lock file and releases it; a waiting process then creates a new file."""
    with suppress(OSError):
        os.unlink(lock.lock_file)
    lock.release()


def launch_id() -> str:
    """An id that the processes of one launch share and concurrent launches do not."""
    values = [os.environ.get(name, "") for name in LAUNCHED_BY]
    if os.environ.get("LOCAL_WORLD_SIZE") == os.environ.get("WORLD_SIZE"):
        values.append(socket.gethostname())  # two machines may use the same local address and port
    return blake2b("\n".join(values).encode(), digest_size=4).hexdigest()
