"""Publishing outputs to the user's folder: all or none; recognising a full disk."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from p5rec.core.artefacts import writing
from p5rec.core.atomic import sweep
from p5rec.core.errors import UserError, WriteRefused, disk_full
from p5rec.core.publishing import publish_outputs


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


def test_older_outputs_are_replaced_and_other_files_stay(
    sources: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "runs" / "out"
    publish_outputs(sources, out)
    assert contents(out) == NEW
    (out / "notes.txt").write_text("the user's")
    (out / "report.md").write_text("old")
    (out / "deep" / "lists" / "gone.csv").write_text("of a removed method")
    publish_outputs(sources, out)
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
        Path(str(copy)).touch()  # half of the file is written
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copy2", no_space)
    with pytest.raises(WriteRefused, match=r"out: expected to write there, got a full disk"):
        publish_outputs(sources, out)
    assert out.exists() == there
    assert not there or contents(out) == {"report.md": "old"}
    assert not list(out.glob(".*"))


def killed_at(step: int, sources: dict[str, Path], out: Path) -> bool:
    """Publishes in a process that dies at its ``step``-th rename; returns whether it died."""
    if not (child := os.fork()):
        left, rename = [step], os.replace

        def dying_rename(source: object, target: object) -> None:
            if not left[0]:
                os._exit(9)
            left[0] -= 1
            rename(str(source), str(target))

        os.replace = dying_rename  # type: ignore[assignment]
        publish_outputs(sources, out)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_a_kill_between_any_two_steps_leaves_the_old_or_the_new_outputs(
    sources: dict[str, Path], tmp_path: Path
) -> None:
    old = {"report.md": "old", "deep/lists/b.csv": "old", "notes.txt": "the user's"}
    for step in range(10):
        out = tmp_path / f"out{step}"
        for name, text in old.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(text)
        if not killed_at(step, sources, out):
            break
        publish_outputs({}, out)  # the next command
        assert contents(out) == old
        publish_outputs(sources, out)
        assert contents(out) == NEW | {"notes.txt": "the user's"}
        assert not list(out.glob(".*"))
    assert step == 5  # the journal, and two moves for each path
    assert contents(out) == NEW | {"notes.txt": "the user's"}


def test_a_refused_rename_rolls_back(
    sources: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, rename = tmp_path / "out", os.replace
    publish_outputs(sources, out)
    (out / "report.md").write_text("old")

    def refused(source: Path, target: Path) -> None:
        if target == out / "deep/lists" and "new" in source.parts:
            raise PermissionError(errno.EACCES, "Permission denied")
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refused)
        with pytest.raises(WriteRefused, match="Permission denied"):
            publish_outputs(sources, out)
    assert contents(out) == NEW | {"report.md": "old"}

    def gone(source: Path, target: Path) -> None:  # the disk fails: no rollback is possible
        if "new" in source.parts or "old" in source.parts:
            raise OSError(errno.EIO, "Input/output error")
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", gone)
        with pytest.raises(WriteRefused, match="Input/output error"):
            publish_outputs(sources, out)
    publish_outputs({}, out)
    assert contents(out) == NEW | {"report.md": "old"}


@pytest.mark.parametrize(
    "path",
    ["../elsewhere", "ids/../../elsewhere", "/elsewhere", "..", "", "there/lists", "ids/.."],
)
def test_nothing_leads_out_of_the_folder(
    sources: dict[str, Path], tmp_path: Path, path: str
) -> None:
    precious = tmp_path / "elsewhere" / "lists"
    precious.mkdir(parents=True)
    (precious / "a.csv").write_text("precious")
    out = tmp_path / "out"
    out.mkdir()
    (out / "there").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="expected outputs inside this folder"):
        publish_outputs({path: sources["deep/lists"]}, out)
    assert contents(tmp_path / "elsewhere") == {"lists/a.csv": "precious"}


def test_a_link_at_an_output_path_is_replaced_and_its_target_stays(
    sources: dict[str, Path], tmp_path: Path
) -> None:
    precious, out = tmp_path / "elsewhere", tmp_path / "out"
    precious.mkdir()
    (precious / "a.csv").write_text("precious")
    (out / "deep").mkdir(parents=True)
    (out / "deep/lists").symlink_to(precious)
    publish_outputs(sources, out)
    assert contents(precious) == {"a.csv": "precious"}
    assert (contents(out), (out / "deep/lists").is_symlink()) == (NEW, False)


def test_weights_are_hard_linked_or_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, text = tmp_path / "w.safetensors", tmp_path / "a.json"
    weights.write_text("weights")
    text.write_text("text")
    sources = {
        "m": {"deep/w.safetensors": weights, "a.json": text},
        "n": {"w.safetensors": weights},
    }
    out = tmp_path / "out"
    publish_outputs(sources, out)
    assert weights.stat().st_nlink == 3
    assert not weights.stat().st_mode & 0o222
    (out / "m/a.json").write_text("edited")
    assert text.read_text() == "text"
    shutil.rmtree(out / "m")
    assert (out / "n/w.safetensors").read_text() == weights.read_text() == "weights"

    def no_links(source: object, target: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_links)
    publish_outputs(sources, tmp_path / "copies")
    assert (tmp_path / "copies/n/w.safetensors").read_text() == "weights"
    assert weights.stat().st_nlink == 2


def test_a_failed_command_keeps_the_outputs_of_another(
    sources: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    @contextmanager
    def after_another(*_: object) -> Iterator[None]:
        (out / "theirs.md").write_text("another's results")
        raise OSError(errno.ENOSPC, "No space left on device")
        yield

    monkeypatch.setattr("p5rec.core.publishing.exclusive_lock", after_another)
    with pytest.raises(UserError):
        publish_outputs(sources, out)
    assert contents(out) == {"theirs.md": "another's results"}


def test_sweep_removes_only_temporary_files_of_its_path(tmp_path: Path) -> None:
    others = (".a.csv.parquet.0a1b2c3d.tmp", ".b.csv.0a1b2c3d.tmp", "a.csv", ".a.csv.lock")
    for name in (*others, ".a.csv.0a1b2c3d.tmp"):
        (tmp_path / name).touch()
    sweep(tmp_path / "a.csv")
    assert {path.name for path in tmp_path.iterdir()} == set(others)


def test_an_output_folder_that_is_a_file(sources: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(WriteRefused, match="got Not a directory"):
        publish_outputs(sources, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "a file"


def test_a_missing_source_is_no_full_disk(sources: dict[str, Path], tmp_path: Path) -> None:
    sources["report.html"] = tmp_path / "made" / "report.html"
    with pytest.raises(
        UserError, match=r"report\.html: expected a file, got nothing there"
    ) as caught:
        publish_outputs(sources, tmp_path / "out")
    assert "space" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_writing_does_not_catch_bugs(tmp_path: Path) -> None:
    with pytest.raises(KeyError), writing(tmp_path / "not" / "there"):
        raise KeyError("a bug")
    with pytest.raises(WriteRefused) as caught, writing(tmp_path / "a.csv"):
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


def test_a_full_disk_by_its_free_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = RuntimeError("unexpected pos 576 vs 534")  # torch's message
    assert not disk_full(silent, tmp_path)
    usage = type("Usage", (), {"total": 10**9, "free": 100})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert disk_full(silent, tmp_path)
    assert not disk_full(silent)
