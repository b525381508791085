"""Control characters in data reach the terminal only escaped."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
import typer

from p5rec.cli.main import guarded
from p5rec.core.errors import UserError
from p5rec.core.terminal import printable

EVIL = "a\x1b[2Jb\x1b]0;t\x07c\x9b1md\u202ee\rf\u2028g\ud800h"
SAFE = r"a\u001b[2Jb\u001b]0;t\u0007c\u009b1md\u202ee\u000df\u2028g\ud800h"


def test_printable() -> None:
    assert printable(EVIL) == SAFE
    assert printable("one\ntwo") == r"one\u000atwo"
    assert printable("one\ntwo\t3", keep="\n\t") == "one\ntwo\t3"
    assert printable("Amélie 愛 👩‍🚀 – ok") == "Amélie 愛 👩‍🚀 – ok"


def app_of(command: Any) -> typer.Typer:
    app = typer.Typer()
    app.command()(command)
    return app


def run(monkeypatch: pytest.MonkeyPatch, command: Any, encoding: str = "utf-8") -> tuple[str, str]:
    """The stdout and stderr of ``command`` with an ``encoding``."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding, newline="") for _ in range(2))
    monkeypatch.setattr(sys, "argv", ["p5rec"])
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with pytest.raises(SystemExit):
        guarded(app_of(command))
    assert sys.stdout is out
    return tuple(s.buffer.getvalue().decode() for s in (out, err) if not s.flush())  # type: ignore


def test_all_printed_text_is_escaped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def command() -> None:
        print(EVIL)
        typer.echo("through typer")
        raise UserError(f"a.csv: expected a title, got {EVIL}\nanother line")

    out, err = run(monkeypatch, command)
    assert out == f"{SAFE}\nthrough typer\n"
    assert err == f"p5rec: a.csv: expected a title, got {SAFE}\\u000aanother line\n"


def test_letters_that_an_encoding_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    def command() -> None:
        print("Amélie 愛")
        raise UserError("é")

    assert run(monkeypatch, command, "ascii") == ("Am\\xe9lie \\u611b\n", "p5rec: \\xe9\n")
