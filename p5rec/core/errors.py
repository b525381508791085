"""The two kinds of failure: the user's, told in one line, and ours, told in a traceback."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path


class UserError(Exception):
    """Something the user can mend. The command line prints each line and exits with code 2.

    Args:
        lines: one sentence a fault, each saying what was expected, what was got, what to do.
    """

    exit_code = 2

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


def fault(
    where: str | Path, expected: str, got: str, todo: str, *, line: int | None = None
) -> UserError:
    """The usual sentence: ``where[:line]: expected E, got G; do T``."""
    place = f"{where}:{line}" if line is not None else str(where)
    return UserError(f"{place}: expected {expected}, got {got}; {todo}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known words, or lists them when none is near."""
    options: Sequence[str] = sorted(known)
    near = get_close_matches(name, options, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(repr(word) for word in near) + "?"
    shown = ", ".join(options[:12]) + (", ..." if len(options) > 12 else "")
    return f"known: {shown}"
