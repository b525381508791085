"""A stage under a launcher: rank 0 computes it, or all processes together."""

from __future__ import annotations

import multiprocessing
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from stages import CODE, FILES, CountingStage, files_of

from p5rec.core.artefacts import Artefact, Lineage, Store
from p5rec.core.errors import UserError
from p5rec.core.locks import launch_id


def _follow(root: Path, collective: bool) -> None:
    def make(folder: Path) -> Lineage:
        (folder / "rank 1 was here").write_text("")
        return Lineage.none()

    options = {"resumable": True, "collective": True} if collective else {}
    made = Store(root, _no_log, 1).stage("ids", make, config={}, code=CODE, **options)
    assert (made.path / "result.txt").is_file()
    assert (made.path / "rank 1 was here").is_file() == collective


def _no_log(line: str) -> None:
    raise AssertionError(f"expected log lines from rank 0 only, got {line}")


@pytest.mark.parametrize("collective", [False, True])
def test_other_processes_wait_for_rank_0(store: Store, collective: bool) -> None:
    other = multiprocessing.get_context("fork").Process(
        target=_follow, args=(store.root, collective)
    )
    other.start()
    try:
        time.sleep(0.3)
        assert other.is_alive()
        assert not store.root.exists()  # it wrote nothing itself

        def make(folder: Path) -> Lineage:
            if collective:
                while not (folder / "rank 1 was here").exists():
                    time.sleep(0.01)
            return CountingStage()(folder)

        options = {"resumable": True, "collective": True} if collective else {}
        store.stage("ids", make, config={}, code=CODE, **options)
        other.join(5)
        assert other.exitcode == 0
        if not collective:
            _follow(store.root, collective)  # cached, without a log line
    finally:
        other.kill()


COLLECTIVE: dict[str, Any] = {"config": {}, "code": CODE, "resumable": True, "collective": True}


def _ranks(store: Store, make: Callable[[int, Path], Lineage]) -> tuple[Artefact, Artefact]:
    """The artefacts of the two processes of a launch, simulated by threads."""

    def process(rank: int) -> Artefact:
        own_store = Store(store.root, lambda _: None, rank)
        return own_store.stage("train", lambda folder: make(rank, folder), **COLLECTIVE)

    with ThreadPoolExecutor(2) as pool:
        one, other = (pool.submit(process, rank) for rank in (0, 1))
        return one.result(20), other.result(20)


@pytest.mark.parametrize("stale", ["", "work", "lock", "work and lock"])
def test_the_processes_of_a_launch_compute_a_collective_stage_together(
    store: Store, stale: str
) -> None:
    """Leftovers of a killed launch of the same name do no harm."""
    key = store.stage("train", lambda _: Lineage.none(), **COLLECTIVE).key
    shutil.rmtree(store.root / "train")
    work = store.root / "train" / f".{key}.work"
    work.parent.mkdir()
    if "work" in stale:
        work.mkdir()
    if "lock" in stale:
        work.with_suffix(f".{launch_id()}.lock").write_text("")
    together, entered = threading.Barrier(2), []

    def make(rank: int, folder: Path) -> Lineage:
        assert folder.is_dir()
        entered.append(rank)
        together.wait(10)  # a collective call: a single process hangs in it
        return Lineage.none()

    one, other = _ranks(store, make)
    assert one.path == other.path
    assert sorted(entered) == [0, 1]
    assert files_of(store) == ["train", *(f"train/{key}{name}" for name in ("", *FILES[:2]))]


def test_all_processes_of_a_launch_read_what_another_run_computes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rank 0 waits for the other run's lock; the other ranks wait for rank 0."""
    waits = threading.Event()
    with ThreadPoolExecutor(3) as pool:
        started = threading.Event()

        def slow(folder: Path) -> Lineage:
            started.set()
            assert waits.wait(10)
            time.sleep(0.5)  # longer than the other ranks sleep between two checks
            return Lineage.none()

        monkeypatch.setenv("MASTER_PORT", "1")
        single = pool.submit(store.stage, "train", slow, **COLLECTIVE)
        assert started.wait(10)
        monkeypatch.setenv("MASTER_PORT", "2")

        def fail(folder: Path) -> Lineage:
            raise AssertionError("computed twice")

        own_store = Store(store.root, lambda _: waits.set(), 0)
        first = pool.submit(own_store.stage, "train", fail, **COLLECTIVE)
        second = pool.submit(Store(store.root, _no_log, 1).stage, "train", fail, **COLLECTIVE)
        paths = {done.result(20).path for done in (single, first, second)}
    assert len(paths) == 1


def test_when_rank_0_fails_no_other_process_starts(store: Store) -> None:
    """The other processes wait until their launcher stops them."""
    other = multiprocessing.get_context("fork").Process(target=_follow, args=(store.root, True))

    def make(folder: Path) -> Lineage:
        raise UserError("diverged")

    with pytest.raises(UserError, match="diverged"):
        store.stage("ids", make, config={}, code=CODE, resumable=True, collective=True)
    other.start()
    try:
        other.join(0.6)
        assert other.is_alive()
        assert not list(store.root.rglob("rank 1 was here"))
    finally:
        other.kill()
