"""Runs commands of p5rec in this process and reads their reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from p5rec.cli.main import app


def enter(folder: Path, recipe: str, patch: pytest.MonkeyPatch) -> Path:
    """Changes into ``folder``, with ``recipe`` as ``my.yaml`` and a separate cache."""
    patch.setenv("P5REC_HOME", str(folder / "home"))
    patch.chdir(folder)
    (folder / "my.yaml").write_text(recipe)
    return folder


def result(*words: str) -> Any:
    """The outcome of a command."""
    return CliRunner().invoke(app, list(words))


def output_of(*words: str) -> str:
    """The standard output of a command that must succeed."""
    outcome = result(*words)
    assert outcome.exit_code == 0, outcome.output + str(outcome.exception)
    return str(outcome.stdout)


def report(folder: str) -> dict[str, Any]:
    """The report in ``folder``."""
    tree: dict[str, Any] = json.loads(Path(folder, "report.json").read_text())
    return tree


def figures(folder: str, task: str = "sequential") -> dict[str, Any]:
    """The methods of its report on a task, by name."""
    return {m["name"]: m for m in report(folder)["methods"] if m["task"] == task}
