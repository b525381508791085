"""Progress bars for long work; a single query draws none.

Code that processes many batches enables them with :func:`progress_bars`. They apply to the current
thread only. Without that context the same code draws no bar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_BARS = ContextVar("progress_bars", default=False)
_NO_BARS = ContextVar("no_progress_bars", default=False)


@contextmanager
def progress_bars() -> Iterator[None]:
    """Enables progress bars inside the context."""
    before = _BARS.set(True)
    try:
        yield
    finally:
        _BARS.reset(before)


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Disables all progress bars inside the context, including those of fits."""
    before = _NO_BARS.set(True)
    try:
        yield
    finally:
        _NO_BARS.reset(before)


def bars_are_off() -> bool:
    """Whether :func:`no_progress_bars` is active."""
    return _NO_BARS.get()


@contextmanager
def progress_bar(total: int, desc: str, unit: str) -> Iterator[Callable[[int], object]]:
    """Draws a bar of ``total`` units; yields a function that advances it by a number of units."""
    if bars_are_off() or not _BARS.get():
        yield lambda advance: None
        return
    from tqdm import tqdm

    # leave=None: a nested bar disappears when it is full
    with tqdm(total=total, desc=desc, unit=unit, leave=None) as bar:
        yield bar.update
