"""Progress bars, where somebody waits for much work: a single query shows none.

Whoever works through many batches says so with :func:`shown`; what is called inside draws its bars,
in that thread alone. Everywhere else the same code is silent. The bars of a worker process are
drawn by the process that started it (:func:`send_bars`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import StringIO
from typing import Any

_SHOWN = ContextVar("shown", default=False)
_SILENT = ContextVar("silent", default=False)
_SENT: list[Callable[[str], object]] = []  # in a worker process: what its bars are sent by
OPEN_END = "{desc}: {n_fmt} {unit} [{elapsed}{postfix}]"  # where nobody knows how many units come


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


def send_bars(send: Callable[[str], object]) -> None:
    """From now on every bar of this process goes to ``send`` as text, and "" when it ends."""
    _SENT[:] = [send]


def open_bar(
    total: int | None, desc: str, unit: str, *, done: int = 0, off: bool = False
) -> Any:  # a tqdm, which is imported when the first bar is drawn
    """A tqdm bar; a bar inside another one goes when it is full.

    Args:
        total: units in all; None: the end is not known, and the bar counts.
        desc: of what.
        unit: of ``total``.
        done: units that are done already.
        off: draw nothing.
    """
    from tqdm import tqdm

    settings: dict[str, Any] = {"total": total, "desc": desc, "unit": unit, "initial": done}
    settings |= {"leave": None, "disable": off or is_silent()}
    if total is None:
        settings["bar_format"] = OPEN_END
    if not _SENT:
        return tqdm(**settings)

    class Sent(tqdm):  # type: ignore[misc]
        """A bar whose text is sent, that of the outermost alone."""

        def display(self, msg: str | None = None, pos: int | None = None) -> bool:
            if not abs(self.pos):
                _SENT[0](str(self) if msg is None else msg)
            return True

    settings |= {"leave": False, "file": StringIO(), "mininterval": 0.5, "ncols": 80}
    return Sent(**settings)


@contextmanager
def bar(total: int, desc: str, unit: str) -> Iterator[Callable[[int], object]]:
    """What to call with each number of units done, out of ``total``."""
    with open_bar(total, desc, unit, off=not _SHOWN.get()) as found:
        yield found.update
