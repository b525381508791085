"""The store: caching, recomputing, and the state after a failure."""

from __future__ import annotations

import errno
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stages import CODE, FILES, CountingStage, files_of

from p5rec.core import artefacts, code
from p5rec.core.artefacts import Artefact, Lineage, Store, digest, write_json
from p5rec.core.atomic import atomic_write
from p5rec.core.errors import UserError
from p5rec.core.rng import derive_rng


def test_a_stage_is_computed_once_and_then_cached(store: Store) -> None:
    make, log = CountingStage(), []
    store = Store(store.root, log.append, 0)
    first = store.stage("ids", make, config={"a": 1}, code=CODE)
    second = store.stage("ids", make, config={"a": 1}, code=CODE)
    assert make.calls == 1
    assert (first.path, first.key) == (second.path, second.key)
    assert (first.fresh, second.fresh) == (True, False)
    assert [line.split()[1] for line in log] == ["made", "cached"]
    assert first.manifest["config"] == {"a": 1}
    assert first.manifest["versions"]["numpy"] == np.__version__
    assert (first.path / "result.txt").read_text() == "done"


def test_config_input_code_and_name_are_all_in_the_key(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(name: str = "ids", config: Any = None, inputs: Any = None, code: Any = ()) -> str:
        return store.stage(name, CountingStage(), config=config or {}, code=code, inputs=inputs).key

    upstream = store.stage("data", CountingStage(), config={"seed": 1}, code=CODE)
    keys = [
        key(),
        key(name="other"),
        key(config={"seed": 1}),
        key(config={"seed": 2}),
        key(inputs={"log": "abc"}),
        key(inputs={"log": "abd"}),
        key(inputs={"log": upstream}),
        key(code=(derive_rng,)),
        key(code=("p5rec.core.rng:tie_order",)),
    ]
    monkeypatch.setattr(code, "version_of", lambda name: "another")
    assert len({*keys, key(code=(derive_rng,))}) == len(keys) + 1


def test_a_digest_ignores_the_order_of_keys_and_refuses_other_objects(tmp_path: Path) -> None:
    assert digest({"a": 1, "b": [2, 3]}) == digest({"b": [2, 3], "a": 1})
    assert digest([1, 2]) != digest([2, 1])
    with pytest.raises(TypeError):
        digest({"a": object()})


@pytest.mark.parametrize(
    "raised", [KeyboardInterrupt(), ValueError("a bug"), UserError("a user error")]
)
def test_an_interrupted_stage_leaves_nothing(store: Store, raised: BaseException) -> None:
    def make(folder: Path) -> Lineage:
        (folder / "half.txt").write_text("half")
        raise raised

    with pytest.raises(type(raised)):
        store.stage("ids", make, config={}, code=CODE)
    assert files_of(store) == ["ids"]


def test_a_resumable_stage_resumes_in_its_folder(store: Store) -> None:
    def make(folder: Path) -> Lineage:
        seen = sorted(p.name for p in folder.iterdir())
        (folder / "half.txt").write_text("half")
        if not seen:
            raise KeyboardInterrupt
        assert seen == ["half.txt"]
        return Lineage.none()

    with pytest.raises(KeyboardInterrupt):
        store.stage("train", make, config={}, code=CODE, resumable=True)
    made = store.stage("train", make, config={}, code=CODE, resumable=True)
    assert (made.path / "half.txt").is_file()
    assert not list(store.root.glob("train/.*.work"))


def test_two_runs_of_a_resumable_stage_do_not_share_its_folder(store: Store) -> None:
    """The second run logs that it waits, then reads the first run's artefact."""
    log: list[str] = []
    waits, started, make = threading.Event(), threading.Event(), CountingStage()

    def record(line: str) -> None:
        log.append(line)
        waits.set()

    def slow(folder: Path) -> Lineage:
        started.set()
        assert waits.wait(10)
        return make(folder)

    def run(notify: Callable[[str], None], make: Callable[[Path], Lineage]) -> Artefact:
        own_store = Store(store.root, notify, 0)
        return own_store.stage("train", make, config={}, code=CODE, resumable=True)

    with ThreadPoolExecutor() as pool:
        first = pool.submit(run, lambda _: None, slow)
        assert started.wait(10)
        second = pool.submit(run, record, slow)
        assert first.result(20).path == second.result(20).path
    assert log == [
        "train: another run is computing it; waiting",
        f"train: cached {first.result().path}",
    ]
    assert make.calls == 1
    assert not list(store.root.glob("train/.*"))


def test_an_incomplete_folder_under_the_final_name_is_replaced(store: Store) -> None:
    made = store.stage("ids", CountingStage(), config={}, code=CODE)
    (made.path / "manifest.json").unlink()
    (made.path / "rubbish.txt").write_text("x")
    again = store.stage("ids", CountingStage(), config={}, code=CODE)
    assert again.fresh
    assert not (again.path / "rubbish.txt").exists()


def test_two_threads_of_one_process_compute_a_stage_once(store: Store) -> None:
    """So do two containers with the same process id."""
    make, started = CountingStage(), threading.Barrier(2)

    def slow(folder: Path) -> Lineage:
        assert not list(folder.iterdir())
        time.sleep(0.05)
        return make(folder)

    def run(_: int) -> Artefact:
        started.wait(10)
        return Store(store.root, lambda _: None, 0).stage("ids", slow, config={}, code=CODE)

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(run, range(2))
    assert make.calls == 1
    assert one.path == other.path
    assert {one.fresh, other.fresh} == {True, False}
    assert files_of(store) == ["ids", *(f"ids/{one.key}{name}" for name in ("", *FILES))]


def test_files_of_a_killed_run_are_not_in_the_next_artefact(store: Store) -> None:
    key = store.stage("ids", CountingStage(), config={}, code=CODE).key
    shutil.rmtree(store.root)
    work = store.root / "ids" / f".{key}.work"
    work.mkdir(parents=True)
    (work / "half.txt").write_text("half")
    work.with_suffix(".lock").write_text("")
    store.stage("ids", CountingStage(), config={}, code=CODE)
    assert files_of(store) == ["ids", *(f"ids/{key}{name}" for name in ("", *FILES))]


def test_a_missing_or_truncated_file_is_recomputed(store: Store) -> None:
    log: list[str] = []
    store = Store(store.root, log.append, 0)
    make = CountingStage()
    for n, damage in enumerate(
        (
            lambda path: (path / "result.txt").unlink(),
            lambda path: (path / "result.txt").write_text("do"),
            lambda path: (path / "lineage.npy").unlink(),
            lambda path: (path / "manifest.json").write_text("{"),
            lambda path: (path / "manifest.json").unlink(),
        ),
        1,
    ):
        made = store.stage("ids", make, config={}, code=CODE)
        assert make.calls == n
        damage(made.path)
        log.clear()
        again = store.stage("ids", make, config={}, code=CODE)
        assert again.fresh
        assert (again.path / "result.txt").read_text() == "done"
        assert len(log) == 2
        assert log[0].endswith("is missing or damaged; recomputing")
        assert files_of(store) == ["ids", *(f"ids/{made.key}{name}" for name in ("", *FILES))]
    assert make.calls == 6


def test_lineage_is_the_union_of_own_and_inputs(store: Store) -> None:
    a = store.stage("a", CountingStage([7, 3]), config={}, code=CODE)
    b = store.stage("b", CountingStage([2**63, 3]), config={}, code=CODE)
    c = store.stage(
        "c", CountingStage(), config={}, code=CODE, inputs={"a": a, "b": b, "file": "hash"}
    )
    assert c.lineage.events.tolist() == [3, 7, 2**63]
    assert c.lineage.contains(np.array([7, 8], dtype=np.uint64)).tolist() == [True, False]
    assert c.manifest["lineage"]["events_seen"] == 3
    none = store.stage("d", CountingStage(), config={}, code=CODE)
    assert none.lineage.events.tolist() == []
    assert c.lineage.summary()["digest"] != a.lineage.summary()["digest"]


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "result.bin")


def _hidden(*_: object) -> None:
    raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize("fail", [_full, _hidden])
@pytest.mark.parametrize("where", ["make", "manifest", "rename"])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, where: str, fail: Callable[..., None]
) -> None:
    make: Any = CountingStage()
    if where == "make":
        make = lambda folder: (folder / "half").write_text("x") and fail()  # noqa: E731
    elif where == "manifest":
        monkeypatch.setattr(artefacts.os, "fsync", fail)
    else:
        monkeypatch.setattr(artefacts.os, "replace", fail)
    with pytest.raises(UserError, match="free some space or set P5REC_HOME") as caught:
        store.stage("ids", make, config={}, code=CODE)
    assert len(caught.value.lines) == 1
    assert "\n" not in caught.value.lines[0]
    assert files_of(store) == ["ids"]


def test_bugs_keep_their_traceback(store: Store, tmp_path: Path) -> None:
    """A missing file, or an unreadable one outside the store, is not reported as a full disk."""

    def missing(folder: Path) -> Lineage:
        return Lineage(np.load(folder / "never written.npy"))

    def unreadable(folder: Path) -> Lineage:
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "log.csv"))

    with pytest.raises(FileNotFoundError):
        store.stage("ids", missing, config={}, code=CODE)
    with pytest.raises(PermissionError):
        store.stage("ids", unreadable, config={}, code=CODE)


def test_a_store_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file, not a folder")
    with pytest.raises(UserError, match=r"to write under .*, got Not a directory"):
        Store(tmp_path / "store", lambda _: None, 0).stage(
            "ids", CountingStage(), config={}, code=CODE
        )


def test_a_file_is_written_completely_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "value.json"
    write_json(path, {"a": "é"})
    assert path.read_text(encoding="utf-8") == '{\n  "a": "é"\n}\n'
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    with pytest.raises(ZeroDivisionError), atomic_write(path, "wb") as handle:
        handle.write(b"half" * (1 // 0))
    assert path.read_text(encoding="utf-8") == '{\n  "a": "é"\n}\n'
    assert [p.name for p in path.parent.iterdir()] == ["value.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "got nothing there"), (b'{"a": ', "expected valid JSON"), (b"\xff", "valid JSON")],
)
def test_a_damaged_json_file_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "manifest.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        artefacts.read_json(path)
    assert str(path) in str(caught.value)


def test_an_artefact_reads_its_own_manifest(store: Store) -> None:
    made = store.stage("a", CountingStage([1, 1, 0]), config={}, code=CODE)
    assert Artefact(made.path, made.key).lineage.events.tolist() == [0, 1]
