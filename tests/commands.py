"""Commands of p5rec in this process, and what their reports hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from p5rec.cli.main import app


def settle(folder: Path, recipe: str, patch: pytest.MonkeyPatch) -> Path:
    """Makes ``folder``, with ``recipe`` as its ``my.yaml`` and a cache of its own, the current."""
    patch.setenv("P5REC_HOME", str(folder / "home"))
    patch.chdir(folder)
    (folder / "my.yaml").write_text(recipe)
    return folder


def result(*words: str) -> Any:
    """What became of a command."""
    return CliRunner().invoke(app, list(words))


def said(*words: str) -> str:
    """What a command printed that went well."""
    found = result(*words)
    assert found.exit_code == 0, found.output + str(found.exception)
    return str(found.output)


def report(folder: str) -> dict[str, Any]:
    """The figures of the report in ``folder``."""
    tree: dict[str, Any] = json.loads(Path(folder, "report.json").read_text())
    return tree


def figures(folder: str, task: str = "sequential") -> dict[str, Any]:
    """Its methods on a task, by name."""
    return {m["name"]: m for m in report(folder)["methods"] if m["task"] == task}
