"""Locks between processes: files that one of them holds, and lets go of when it dies.

On a network file system such locks are advisory: they keep machines apart only where the server
passes them on.
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
def alone(path: Path, waits: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds the lock file ``path``, which is there only as long as somebody holds it.

    Args:
        waits: called once if another process has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            waits()
            lock.acquire()
        yield
    finally:
        if lock.is_locked:
            drop(lock)
        else:  # interrupted on the way in
            held(path)


def say_waiting(busy: str) -> Callable[[], None]:
    """For :func:`alone`: a line on stderr that says what is waited for."""
    return lambda: print(f"{busy}; waiting", file=sys.stderr)


@contextmanager
def if_free(path: Path) -> Iterator[bool]:
    """Holds ``path`` if nobody else does, and says whether that is so."""
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        drop(lock)


def held(path: Path) -> bool:
    """Whether a living process holds ``path``; the file of a dead one goes."""
    if not path.exists():
        return False
    with if_free(path) as free:
        return not free


def drop(lock: FileLock) -> None:
    """Removes the file and lets go of it; who waits for it sees that, and makes another."""
    with suppress(OSError):
        os.unlink(lock.lock_file)
    lock.release()


def launch_word() -> str:
    """A word that processes launched together share, and no other launch that lives beside it."""
    words = [os.environ.get(name, "") for name in LAUNCHED_BY]
    if os.environ.get("LOCAL_WORLD_SIZE") == os.environ.get("WORLD_SIZE"):
        words.append(socket.gethostname())  # addresses and ports of one machine say no more
    return blake2b("\n".join(words).encode(), digest_size=4).hexdigest()
