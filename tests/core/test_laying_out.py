"""Results on their way to the user's folder: all or none; a full disk known by its many names."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from p5rec.core.artefacts import lay_out, writing
from p5rec.core.errors import Refused, UserError, disk_full


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    made = tmp_path / "made"
    (made / "lists").mkdir(parents=True)
    (made / "report.md").write_text("new")
    (made / "lists" / "a.csv").write_text("new")
    return {"report.md": made / "report.md", "deep/lists": made / "lists"}


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


NEW = {"report.md": "new", "deep/lists/a.csv": "new"}


def test_older_results_are_replaced_and_everything_else_stays(
    sources: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "runs" / "out"
    lay_out(sources, out)
    assert contents(out) == NEW
    (out / "notes.txt").write_text("the user's")
    (out / "report.md").write_text("old")
    (out / "deep" / "lists" / "gone.csv").write_text("of a method that is no more")
    lay_out(sources, out)
    assert contents(out) == NEW | {"notes.txt": "the user's"}


@pytest.mark.parametrize("there", [False, True])
def test_a_refused_copy_changes_nothing(
    sources: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    out = tmp_path / "out"
    if there:
        out.mkdir()
        (out / "report.md").write_text("old")

    def no_space(source: object, copy: object) -> None:
        Path(str(copy)).mkdir()  # half of it is there
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copytree", no_space)
    with pytest.raises(Refused, match=r"out: expected to write there, got a full disk"):
        lay_out(sources, out)
    assert out.exists() == there
    assert not there or contents(out) == {"report.md": "old"}
    assert not list(out.glob(".*"))


def test_a_file_in_the_way(sources: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(Refused, match="got Not a directory"):
        lay_out(sources, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "a file"


def test_a_missing_source_is_no_full_disk(sources: dict[str, Path], tmp_path: Path) -> None:
    sources["report.html"] = tmp_path / "made" / "report.html"
    with pytest.raises(
        UserError, match=r"report\.html: expected a file, got nothing there"
    ) as caught:
        lay_out(sources, tmp_path / "out")
    assert "space" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_writing_lets_our_own_faults_through(tmp_path: Path) -> None:
    with pytest.raises(KeyError), writing(tmp_path / "not" / "there"):
        raise KeyError("ours")
    with pytest.raises(Refused) as caught, writing(tmp_path / "a.csv"):
        raise PermissionError(errno.EACCES, "Permission denied")
    assert caught.value.reason == "Permission denied"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError("No space left on device (os error 28)"),
        ValueError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_by_name(error: Exception) -> None:
    assert disk_full(error)
    wrapped = RuntimeError("could not save")
    wrapped.__cause__ = error
    assert disk_full(wrapped)
    assert not disk_full(OSError(errno.ENOENT, "No such file or directory"))


def test_a_full_disk_by_its_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = RuntimeError("unexpected pos 576 vs 534")  # what torch has to say
    assert not disk_full(silent, tmp_path)
    usage = type("Usage", (), {"total": 10**9, "free": 100})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert disk_full(silent, tmp_path)
    assert not disk_full(silent)
