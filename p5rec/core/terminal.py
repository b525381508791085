"""Text of data or models on a terminal: shown, never obeyed.

A title may hold what a terminal takes for a command (ESC and its kin, C1 codes), what turns the
order of reading around, or a line of its own. Such characters are written out as ``\\u001b``.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import TextIOBase, TextIOWrapper
from typing import IO

# control, lone halves of a pair, ends of lines
UNSEEN = ("Cc", "Cs", "Zl", "Zp")
TURNING = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
)


def printable(text: object, keep: str = "") -> str:
    """``text`` in one line, without a character that a terminal obeys.

    Args:
        text: anything; its ``str``.
        keep: such characters that may stay: ``"\\n\\t"`` where lines are wanted.
    """
    word = str(text)
    if word.isprintable():
        return word
    return "".join(
        f"\\u{ord(letter):04x}" if _obeyed(letter) and letter not in keep else letter
        for letter in word
    )


def _obeyed(letter: str) -> bool:
    return letter in TURNING or unicodedata.category(letter) in UNSEEN


class _Shown(TextIOBase):
    """A stream whose text cannot command the terminal behind it."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if not isinstance(text, str):  # click tries whether it may write bytes
            raise TypeError(f"expected text, got {type(text).__name__}")
        self._stream.write(printable(text, keep="\n\t"))
        return len(text)

    def flush(self) -> None:
        if not self._stream.closed:
            self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self._stream, "encoding", "utf-8") or "utf-8"


@contextmanager
def safe_output() -> Iterator[None]:
    """All that is printed inside reaches the terminal as :func:`printable` has it.

    A letter that the terminal's encoding lacks is written out (``\\xe9``); it ends no command.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with redirect_stdout(_Shown(sys.stdout)):
        yield
