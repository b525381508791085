"""A stage under a launcher: one process makes it, or all of them together."""

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
from stages import CODE, FILES, Maker, left

from p5rec.core.artefacts import Artefact, Lineage, Store
from p5rec.core.errors import UserError
from p5rec.core.locks import launch_word


def _follow(root: Path, collective: bool) -> None:
    def make(folder: Path) -> Lineage:
        (folder / "rank 1 was here").write_text("")
        return Lineage.none()

    options = {"resumable": True, "collective": True} if collective else {}
    made = Store(root, _never, 1).stage("ids", make, config={}, code=CODE, **options)
    assert (made.path / "result.txt").is_file()
    assert (made.path / "rank 1 was here").is_file() == collective


def _never(line: str) -> None:
    raise AssertionError(f"only the first process talks, got {line}")


@pytest.mark.parametrize("collective", [False, True])
def test_the_other_processes_wait_for_the_first(store: Store, collective: bool) -> None:
    other = multiprocessing.get_context("fork").Process(
        target=_follow, args=(store.root, collective)
    )
    other.start()
    try:
        time.sleep(0.3)
        assert other.is_alive()
        assert not store.root.exists()  # it made nothing itself

        def make(folder: Path) -> Lineage:
            if collective:
                while not (folder / "rank 1 was here").exists():
                    time.sleep(0.01)
            return Maker()(folder)

        options = {"resumable": True, "collective": True} if collective else {}
        store.stage("ids", make, config={}, code=CODE, **options)
        other.join(5)
        assert other.exitcode == 0
        if not collective:
            _follow(store.root, collective)  # found at once, and silently
    finally:
        other.kill()


TOGETHER: dict[str, Any] = {"config": {}, "code": CODE, "resumable": True, "collective": True}


def _ranks(store: Store, make: Callable[[int, Path], Lineage]) -> tuple[Artefact, Artefact]:
    """What the two processes of a launch get; both are threads here."""

    def process(rank: int) -> Artefact:
        mine = Store(store.root, lambda _: None, rank)
        return mine.stage("train", lambda folder: make(rank, folder), **TOGETHER)

    with ThreadPoolExecutor(2) as pool:
        one, other = (pool.submit(process, rank) for rank in (0, 1))
        return one.result(20), other.result(20)


@pytest.mark.parametrize("stale", ["", "work", "sign", "work and sign"])
def test_the_processes_of_a_launch_make_it_together(store: Store, stale: str) -> None:
    """What an earlier launch of the same name left when it was killed leads nobody astray."""
    key = store.stage("train", lambda _: Lineage.none(), **TOGETHER).key
    shutil.rmtree(store.root / "train")
    work = store.root / "train" / f".{key}.work"
    work.parent.mkdir()
    if "work" in stale:
        work.mkdir()
    if "sign" in stale:
        work.with_suffix(f".{launch_word()}.lock").write_text("")
    together, entered = threading.Barrier(2), []

    def make(rank: int, folder: Path) -> Lineage:
        assert folder.is_dir()
        entered.append(rank)
        together.wait(10)  # a collective call: one process alone hangs in it
        return Lineage.none()

    one, other = _ranks(store, make)
    assert one.path == other.path
    assert sorted(entered) == [0, 1]
    assert left(store) == ["train", *(f"train/{key}{name}" for name in ("", *FILES[:2]))]


def test_all_of_a_launch_keep_what_another_run_made_meanwhile(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first process waits for the other run's lock; the others do not begin without it."""
    waits = threading.Event()
    with ThreadPoolExecutor(3) as pool:
        begun = threading.Event()

        def slow(folder: Path) -> Lineage:
            begun.set()
            assert waits.wait(10)
            time.sleep(0.5)  # longer than the others sleep between two looks
            return Lineage.none()

        monkeypatch.setenv("MASTER_PORT", "1")
        single = pool.submit(store.stage, "train", slow, **TOGETHER)
        assert begun.wait(10)
        monkeypatch.setenv("MASTER_PORT", "2")

        def never(folder: Path) -> Lineage:
            raise AssertionError("made twice")

        mine = Store(store.root, lambda _: waits.set(), 0)
        first = pool.submit(mine.stage, "train", never, **TOGETHER)
        second = pool.submit(Store(store.root, _never, 1).stage, "train", never, **TOGETHER)
        paths = {done.result(20).path for done in (single, first, second)}
    assert len(paths) == 1


def test_when_the_first_process_fails_no_other_begins_alone(store: Store) -> None:
    """They wait, and their launcher ends them."""
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
