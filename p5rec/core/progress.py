"""Progress bars for long work; a single query draws none.

Code that processes many batches enables them with :func:`progress_bars`. They apply to the current
thread only. Without that context the same code draws no bar. The parent process of a worker draws
the worker's bars (:func:`forward_bars`). In a log file, which has no cursor, a long bar is a line
now and then.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import StringIO
from typing import Any

_BARS = ContextVar("progress_bars", default=False)
_NO_BARS = ContextVar("no_progress_bars", default=False)
_FORWARD: list[Callable[[str], object]] = []  # in a worker process: receives the text of its bars
FORWARD_SECONDS, LOG_SECONDS = 0.5, 10.0  # between two texts of a bar: sent, printed
COUNTER = "{desc}: {n_fmt} {unit} [{elapsed}{postfix}]"  # format of a bar without a total


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


def forward_bars(send: Callable[[str], object]) -> None:
    """Sends the text of every later bar of this process to ``send``, and "" when a bar closes."""
    _FORWARD[:] = [send]


def open_bar(
    total: int | None, desc: str, unit: str, *, done: int = 0, off: bool = False
) -> Any:  # a tqdm; the first bar imports it
    """A tqdm bar; a nested bar disappears when it is full.

    Args:
        total: number of units; None: unknown, and the bar counts units.
        desc: label of the bar.
        unit: name of the unit.
        done: units that are done already.
        off: draw nothing.
    """
    from tqdm import tqdm

    settings: dict[str, Any] = {"total": total, "desc": desc, "unit": unit, "initial": done}
    settings |= {"leave": None, "disable": off or bars_are_off()}
    if total is None:
        settings["bar_format"] = COUNTER
    if not _FORWARD and _has_cursor():
        return tqdm(**settings)

    class TextBar(tqdm):  # type: ignore[misc]
        """A bar whose text is sent to the parent process, or printed; nested bars have none."""

        printed = time.monotonic()

        def display(self, msg: str | None = None, pos: int | None = None) -> bool:
            if abs(self.pos):
                return True
            text = str(self) if msg is None else msg
            if _FORWARD:
                _FORWARD[0](text)
            elif self.disable or time.monotonic() >= self.printed + LOG_SECONDS:  # it closes
                self.printed = time.monotonic()
                print(text, file=sys.stderr, flush=True)
            return True

    settings |= {"file": StringIO(), "ncols": 80}
    if _FORWARD:
        return TextBar(**settings | {"leave": False, "mininterval": FORWARD_SECONDS})
    return TextBar(**settings, mininterval=LOG_SECONDS, delay=LOG_SECONDS)


def _has_cursor() -> bool:
    """Whether a bar can redraw its line: on a terminal and in a notebook, but not in a file."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


@contextmanager
def progress_bar(total: int, desc: str, unit: str) -> Iterator[Callable[[int], object]]:
    """Draws a bar of ``total`` units; yields a function that advances it by a number of units."""
    with open_bar(total, desc, unit, off=not _BARS.get()) as bar:
        yield bar.update
