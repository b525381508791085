"""Streams of requests, waiting and interrupted ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from commands import enter, output_of
from forgettable_log import EVENTS, events, write

from p5rec.core.content import content_hash
from p5rec.core.rng import id_keys
from p5rec.data.config import DataConfig
from p5rec.data.reading import whole_logs
from p5rec.data.tombstones import Tombstones
from p5rec.forget import carry_out as carrying
from p5rec.forget.requests import pending, request_of
from p5rec.forget.stages import Stages
from p5rec.forget.wanted import EVERY, Named, prepared_keys

RECIPE = """
data: {source: table, path: log.csv}
baselines: [popularity]
methods: {ease: {kind: ease, tune: {}}}
"""
A, B = "person-003", "person-011"


def hashes(folder: Path) -> Counter[tuple[str, str]]:
    used = Stages.read(folder / "home/store").of_run(folder / "runs/my").values()
    return Counter((s.kind, content_hash(s.path)) for s in used)


def never(folder: Path, chosen: pl.Expr, monkeypatch: pytest.MonkeyPatch) -> Counter[Any]:
    """The hashes of a run of a log that has no other than the ``chosen`` events."""
    folder.mkdir()
    write(folder, chosen)
    with monkeypatch.context() as patch:
        enter(folder, RECIPE, patch)
        output_of("run", "my.yaml", "--jobs", "1")
        return hashes(folder)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    write(folder)
    enter(folder, RECIPE, monkeypatch)
    output_of("run", "my.yaml", "--jobs", "1")
    return folder


def forget(*words: str) -> str:
    return output_of("forget", *words, "--run", "runs/my", "--yes", "--jobs", "1")


def receipts(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "home/forget/receipts").glob("*.json"))
    return [json.loads(file.read_text()) for file in files]


def test_a_stream_ends_as_a_log_that_never_had_the_events(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget("--user", A)
    some = events().filter(pl.col("user") == B).head(3).select("user", "item", "time")
    some.write_csv("some.csv")
    forget("--events", "some.csv")
    forget("--user", B)
    others = ~pl.col("user").is_in([A, B])
    assert hashes(here) == never(tmp_path / "never", others, monkeypatch)
    made = receipts(here)
    assert [one["request"]["events"] for one in made] == [EVENTS, 3, EVENTS]
    last = max((here / "home/forget/receipts").glob("*.json"))
    assert "NO" not in output_of("forget", "verify", str(last))


def test_some_events_of_a_person(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = events().filter(pl.col("user") == B).head(3).select("user", "item")
    some.write_csv("some.csv")
    forget("--events", "some.csv")
    gone = (pl.col("user") == B) & pl.col("item").is_in(some["item"].to_list())
    assert hashes(here) == never(tmp_path / "never", ~gone, monkeypatch)


def test_a_request_that_waits_is_carried_out_with_the_next(here: Path) -> None:
    salted = Tombstones.read()
    chosen = (events()["user"] == A).to_numpy()
    salted.write_salt()
    marks = salted.adding(salted.marks_of(_log())[chosen])
    keys = np.array([[id_keys([A])[0], EVERY]])
    named = Named(keys, prepared_keys(_log(), chosen, ""))
    runs = (str((here / "runs/my").resolve()),)
    request_of(marks, named, runs, "", {}).write()
    assert len(pending()) == 1
    forget("--user", B)
    made = receipts(here)
    assert [len(one["together_with"]) for one in made] == [1, 1]
    assert not pending()


def _log() -> Any:
    return whole_logs(DataConfig(source="table", path="log.csv"))[""]


class Killed(BaseException):
    """In place of a signal that no code can catch."""


@pytest.mark.parametrize("step", ["_check_fresh", "_delete", "_output", "_own"])
@pytest.mark.parametrize("before", [True, False])
def test_a_killed_request_is_finished_by_resume(
    step: str, before: bool, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual: Callable[..., Any] = getattr(carrying, step)

    def killed(*args: Any) -> Any:
        if not before:
            usual(*args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(carrying, step, killed)
        with pytest.raises(Killed):
            forget("--user", A)
    assert len(pending()) == 1
    assert not receipts(here)
    assert "receipt" in output_of("forget", "resume", "--jobs", "1")
    assert hashes(here) == never(tmp_path / "never", pl.col("user") != A, monkeypatch)
    (made,) = receipts(here)
    states = Counter(one["state"] for one in made["artefacts"])
    assert states["computed again"] >= 6
    assert all(one["old_hash"] for one in made["artefacts"] if one["state"] == "computed again")
    assert "no request is pending" in output_of("forget", "resume")


def test_a_kill_before_the_tombstones_are_written(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("p5rec.forget.requests.Pending.bury", killed)
        with pytest.raises(Killed):
            forget("--user", A)
    assert not len(Tombstones.read().marks)
    output_of("forget", "resume", "--jobs", "1")
    assert len(Tombstones.read().marks) == EVENTS
