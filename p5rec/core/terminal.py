"""Safe terminal output of text from data or models.

A title may contain terminal control characters (ESC, C1 codes), bidirectional overrides or line
breaks. They are escaped, e.g. as ``\\u001b``.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import TextIOBase, TextIOWrapper
from typing import IO

# Unicode categories: control, surrogate, line separator, paragraph separator
ESCAPED = ("Cc", "Cs", "Zl", "Zp")
BIDIRECTIONAL = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
)


def printable(text: object, keep: str = "") -> str:
    """``text`` with its control characters escaped.

    Args:
        text: any value; its ``str`` is used.
        keep: control characters that are not escaped, e.g. ``"\\n\\t"``.
    """
    word = str(text)
    if word.isprintable():
        return word
    return "".join(
        f"\\u{ord(letter):04x}" if _is_control(letter) and letter not in keep else letter
        for letter in word
    )


def _is_control(letter: str) -> bool:
    return letter in BIDIRECTIONAL or unicodedata.category(letter) in ESCAPED


class _EscapedStream(TextIOBase):
    """A stream that escapes control characters before it writes to the terminal."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if not isinstance(text, str):  # click tests whether the stream takes bytes
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
    """Applies :func:`printable` to everything printed inside the context.

    A character that the terminal's encoding lacks is escaped (``\\xe9``) and raises no error. Lines
    appear as they are printed, in pipes and log files too.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    with redirect_stdout(_EscapedStream(sys.stdout)):
        yield
