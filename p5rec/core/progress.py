"""Progress bars, where somebody waits for much work: a single query shows none.

Whoever works through many batches says so with :func:`shown`; what is called inside draws its bars,
in that thread alone. Everywhere else the same code is silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_SHOWN = ContextVar("shown", default=False)
_SILENT = ContextVar("silent", default=False)


@contextmanager
def shown() -> Iterator[None]:
    """Bars are drawn inside."""
    before = _SHOWN.set(True)
    try:
        yield
    finally:
        _SHOWN.reset(before)


@contextmanager
def silent() -> Iterator[None]:
    """Nothing is drawn inside, the bars of fits neither."""
    before = _SILENT.set(True)
    try:
        yield
    finally:
        _SILENT.reset(before)


def is_silent() -> bool:
    """Whether bars are off here."""
    return _SILENT.get()


@contextmanager
def bar(total: int, desc: str, unit: str) -> Iterator[Callable[[int], object]]:
    """What to call with each number of units done, out of ``total``."""
    if is_silent() or not _SHOWN.get():
        yield lambda done: None
        return
    from tqdm import tqdm

    # leave=None: a bar inside another one goes when it is full
    with tqdm(total=total, desc=desc, unit=unit, leave=None) as drawn:
        yield drawn.update
