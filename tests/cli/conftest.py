"""The command line in this process, with a separate cache for each test."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from my_folder import Mine, Trained, write_mine

from p5rec.cli.main import main

Result = tuple[int, str, str]
Command = Callable[..., Result]


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Exit code of ``p5rec *words``."""
    monkeypatch.setattr(sys, "argv", ["p5rec", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


@pytest.fixture
def p5rec(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Command:
    """Runs the command line; returns exit code, stdout, stderr."""

    def run(*words: object) -> Result:
        capsys.readouterr()
        code = call(monkeypatch, *words)
        return (code, *capsys.readouterr())

    return run


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and an empty working directory for each test."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setenv("P5REC_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without other load, which some commands would report."""
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))


@pytest.fixture
def mine(tmp_path: Path) -> Mine:
    (tmp_path / "mine").mkdir()
    return write_mine(tmp_path / "mine")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One run of the recipe, shared by all tests."""
    folder = tmp_path_factory.mktemp("trained")
    config, out = write_mine(folder).config, folder / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("P5REC_HOME", str(folder / "home"))
        with redirect_stdout(StringIO()) as output:
            assert call(patch, "run", "sft", "--config", config, "--out", out) == 0
    return Trained(folder, out, output.getvalue())
