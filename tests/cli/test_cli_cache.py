"""``p5rec cache``: listed stages, deleted stages, and stages that stay as they are in use."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest
from my_folder import Trained

from p5rec.core.artefacts import Lineage, Store
from p5rec.core.locks import exclusive_lock

DAY = 86400


def make(root: Path, name: str, days: float = 0, size: int = 1000, **inputs: Any) -> Any:
    def fill(folder: Path) -> Lineage:
        (folder / "content").write_bytes(bytes(size))
        return Lineage.none()

    store = Store(root, lambda _: None, 0)
    made = store.stage(name, fill, config={}, code=(), inputs=inputs)
    then = time.time() - days * DAY
    os.utime(made.path / "manifest.json", (then, then))
    return made


@pytest.fixture
def root(home: Path) -> Path:
    return home / "store"


def stages(root: Path) -> set[str]:
    return {path.name for path in root.glob("[!.]*")}


def test_a_missing_cache_is_empty(p5rec: Any, root: Path) -> None:
    assert p5rec("cache", "ls")[:2] == (0, f"0 in {root}, 0 B\n")
    code, said, _ = p5rec("cache", "prune", "--delete")
    assert (code, said) == (0, "deleted 0 stages and 0 leftover files, 0 B\n")


def test_a_run_is_listed_and_its_stages_stay(
    p5rec: Any, trained: Trained, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(trained.folder / "home", root.parent)
    before = set(root.glob("[!.]*/[!.]*"))
    code, said, _ = p5rec("cache", "ls")
    lines = said.splitlines()
    assert code == 0
    assert len(lines) == len(before) + 1
    assert all(str(trained.out) in line and "run sft" in line for line in lines[:-1])
    assert p5rec("cache", "prune", "--unreachable", "--delete")[1].startswith("deleted 0 stages")
    assert set(root.glob("[!.]*/[!.]*")) == before
    (note,) = root.glob(".runs/*.json")
    note.write_text(note.read_text().replace(str(trained.out), str(trained.out) + "-gone"))
    assert f"would delete {len(before)} stages" in p5rec("cache", "prune", "--unreachable")[1]
    assert set(root.glob("[!.]*/[!.]*")) == before, "nothing is deleted without --delete"
    p5rec("cache", "prune", "--unreachable", "--delete")
    p5rec("cache", "prune", "--delete")
    assert not [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ([], {"old", "large", "new"}),
        (["--older-than", "30d"], {"large", "new"}),
        (["--older-than", "5w"], {"large", "new"}),
        (["--older-than", "100d"], {"old", "large", "new"}),
        (["--larger-than", "40KB"], {"old", "new"}),
        (["--larger-than", "40kB", "--older-than", "30d"], {"old", "large", "new"}),
        (["--unreachable"], set()),
        (["--max-size", "80KB"], {"large", "new"}),
        (["--max-size", "10KB"], {"new"}),
        (["--max-size", "0"], set()),
    ],
)
def test_options_select_the_deleted_stages(
    p5rec: Any, root: Path, options: list[str], left: set[str]
) -> None:
    make(root, "old", days=60, size=30_000)
    make(root, "large", days=2, size=60_000)
    make(root, "new")
    code, would, _ = p5rec("cache", "prune", *options)
    assert (code, stages(root)) == (0, {"old", "large", "new"})
    assert f"would delete {3 - len(left)} stages" in would
    code, said, _ = p5rec("cache", "prune", *options, "--delete")
    assert (code, stages(root)) == (0, left)
    assert said.splitlines()[-1].replace("deleted", "would delete") in would
    if not left:
        assert not [path for path in root.rglob("*") if path.is_file()]


def test_inputs_of_a_run_stay(p5rec: Any, root: Path, tmp_path: Path) -> None:
    source = make(root, "source")
    above = make(root, "above", source=source)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/report.json").write_text("{}")
    store = Store(root, lambda _: None, 0)
    store.used.add(root, f"above/{above.key}")
    store.note_run(tmp_path / "run")
    del store
    make(root, "other")
    p5rec("cache", "prune", "--unreachable", "--delete")
    assert stages(root) == {"above", "source"}


def test_unfinished_damaged_and_leftover_files_are_deleted(p5rec: Any, root: Path) -> None:
    finished, harmed = make(root, "finished"), make(root, "harmed")
    (harmed.path / "content").unlink()
    work = root / "train" / ".abc.work"
    work.mkdir(parents=True)
    (work / "half").write_text("half")
    for name in (".abc.lock", ".abc.1234.lock", ".abd.old", ".abe.gone"):
        path = root / "train" / name
        path.write_text("") if path.suffix == ".lock" else path.mkdir()
    (root / ".running").mkdir(exist_ok=True)
    (root / ".running" / ".1-2.lock").write_text("finished/" + finished.key)
    said = p5rec("cache", "ls")[1]
    assert "[unfinished]" in said
    assert "[damaged]" in said
    code, said, _ = p5rec("cache", "prune", "--delete")
    assert (code, stages(root)) == (0, {"finished"})
    assert list((root / "finished").iterdir()) == [finished.path]
    assert not list(root.glob(".running/.*"))


def _hold(root: Path, ready: Event, end: Event) -> None:
    store = Store(root, lambda _: None, 0)

    def fill(folder: Path) -> Lineage:
        return Lineage.none()

    made = store.stage("read", fill, config={}, code=())
    with exclusive_lock(made.path.with_name(".other.lock")):
        made.path.with_name(".other.work").mkdir()
        ready.set()
        end.wait(20)


def test_stages_in_use_by_a_process_stay(p5rec: Any, root: Path) -> None:
    """They stay until the process ends, however it ends."""
    fork = multiprocessing.get_context("fork")
    ready, end = fork.Event(), fork.Event()
    process = fork.Process(target=_hold, args=(root, ready, end))
    process.start()
    try:
        assert ready.wait(20)
        before = sorted(path for path in root.rglob("*") if path.suffix != ".lock")
        code, said, _ = p5rec("cache", "prune", "--unreachable", "--delete")
        assert code == 0
        assert said.count("in use; it stays") == 3
        assert sorted(path for path in root.rglob("*") if path.suffix != ".lock") == before
    finally:
        process.kill()
        process.join()
    p5rec("cache", "prune", "--unreachable", "--delete")
    assert not [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize("text", ["30", "d", "30y", "-1d", "1e3d"])
def test_an_invalid_age_is_one_line(p5rec: Any, text: str) -> None:
    code, _, err = p5rec("cache", "prune", f"--older-than={text}")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "--older-than: expected an amount such as 12h, 30d or 8w" in err


@pytest.mark.parametrize("option", ["--larger-than", "--max-size"])
def test_an_invalid_size_is_one_line(p5rec: Any, option: str) -> None:
    code, _, err = p5rec("cache", "prune", option, "2 apples")
    assert (code, len(err.splitlines())) == (2, 1)
    assert f"{option}: expected an amount such as 500MB or 2GB" in err


def test_answers_of_endpoints_are_counted_and_deleted_by_age(p5rec: Any, home: Path) -> None:
    files = [home / "answers" / name / f"{name}.json" for name in ("ab", "cd")]
    for path, days in zip(files, (0, 40), strict=True):
        path.parent.mkdir(parents=True)
        path.write_text("{}")
        then = time.time() - days * DAY
        os.utime(path, (then, then))
    assert f"2 answers of endpoints in {home / 'answers'}, 4 B\n" in p5rec("cache", "ls")[1]
    prune = ("cache", "prune", "--older-than", "30d")
    assert "answers" not in p5rec(*prune, "--delete")[1]
    assert "would delete 1 answers of endpoints" in p5rec(*prune, "--answers")[1]
    assert all(path.exists() for path in files)
    assert "deleted 1 answers of endpoints" in p5rec(*prune, "--answers", "--delete")[1]
    assert [path.exists() for path in files] == [True, False]
