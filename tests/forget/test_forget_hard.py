"""Requests that are easily carried out in part: pruned caches, starts, repeats, typos."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from commands import enter, output_of, result
from forgettable_log import EVENTS, events, write

from p5rec.core.artefacts import Lineage, file_sha256
from p5rec.core.errors import UserError
from p5rec.data.tombstones import Tombstones, forget_folder
from p5rec.forget.stages import Stages

RECIPE = """
data: {source: table, path: log.csv}
baselines: [popularity]
methods: {ease: {kind: ease, tune: {}}}
"""
A, B = "person-003", "person-011"
OTHERS = ("other.yaml", "--jobs", "1")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path)
    enter(tmp_path, RECIPE, monkeypatch)
    output_of("run", "my.yaml", "--jobs", "1")
    return tmp_path


def forget(*words: str, run: str = "runs/my") -> str:
    return output_of("forget", *words, "--run", run, "--yes", "--jobs", "1")


def stages(folder: Path) -> Stages:
    return Stages.read(folder / "home/store")


def receipt(folder: Path) -> Path:
    return max((folder / "home/forget/receipts").glob("*.json"))


def test_models_of_pruned_data_are_deleted(here: Path) -> None:
    (data,) = (here / "home/store/data").iterdir()
    seen = Lineage.read(next((here / "home/store/fit").iterdir())).events
    shutil.rmtree(data)
    forget("--user", A)
    left = [Lineage.read(stage.path).events for stage in stages(here).by_key.values()]
    assert max(map(len, left)) < len(seen)
    states = {one["state"] for one in json.loads(receipt(here).read_text())["artefacts"]}
    assert "unused" not in states


def test_a_start_that_saw_the_events_is_refused(here: Path) -> None:
    (here / "old.yaml").write_text(
        "data: {source: table, path: log.csv}\n"
        "baselines: []\nmethods: {sasrec: {kind: sasrec, tune: {}, epochs: 1}}\n"
    )
    output_of("run", "old.yaml", "--jobs", "1")
    start = here / "runs/old/models/sasrec"
    (here / "new.yaml").write_text(
        "base: old.yaml\nmethods: {sasrec: {start: " + str(start) + "}}\n"
    )
    output_of("run", "new.yaml", "--jobs", "1")
    error = str(result("forget", "--user", A, "--run", "runs/new").exception)
    assert "methods.sasrec.start: expected a model that did not see the events" in error
    forget("--user", A, "--run", "runs/old", run="runs/new")
    gone = len(events()) - EVENTS
    for name in ("old", "new"):
        seen = Lineage.read(here / f"runs/{name}/models/sasrec").events
        assert len(seen) < gone


def test_lines_without_an_event_are_refused(here: Path) -> None:
    users = ("--user", A, "--user", f"{B} ", "--run", "runs/my")
    error = str(result("forget", *users).exception)
    assert "--user: expected an event for each id, got none for 1 of 2" in error
    assert A not in error
    assert f"events to forget: {EVENTS}\n" in output_of("forget", *users, "--partly")
    pl.DataFrame({"user": [A], "item": ["itemX"]}).write_csv("x.csv")
    error = str(result("forget", "--events", "x.csv", "--run", "runs/my").exception)
    assert "expected events in the logs" in error


def test_whole_numbers_of_a_table_are_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = events().with_columns(pl.col("user").str.slice(7).cast(pl.Int64))
    log.write_csv(tmp_path / "log.csv")
    enter(tmp_path, RECIPE, monkeypatch)
    output_of("run", "my.yaml", "--jobs", "1")
    pl.DataFrame({"user": [3.0]}).write_parquet("who.parquet")
    plan = output_of("forget", "--events", "who.parquet", "--run", "runs/my")
    assert f"events to forget: {EVENTS}\n" in plan


def test_data_of_others_with_the_same_ids_stay(here: Path) -> None:
    log = events().with_columns(pl.col("time") + 7, pl.col("item").str.replace("item", "thing"))
    log.write_csv("other.csv")
    (here / "other.yaml").write_text(RECIPE.replace("log.csv", "other.csv"))
    output_of("run", *OTHERS)
    before = {stage.name for stage in stages(here).of_run(here / "runs/other").values()}
    assert "runs/other" not in forget("--user", A)
    assert before == {stage.name for stage in stages(here).of_run(here / "runs/other").values()}
    assert "made" not in output_of("run", *OTHERS)


def test_one_of_two_events_of_a_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = events()
    first = log.filter(pl.col("user") == A).head(1)
    again = first.with_columns(pl.col("time") + 1_000_000)
    pl.concat([log, again]).write_csv(tmp_path / "log.csv")
    enter(tmp_path, RECIPE, monkeypatch)
    output_of("run", "my.yaml", "--jobs", "1")
    first.select("user", "item", "time").write_csv("one.csv")
    forget("--events", "one.csv")
    made = json.loads(receipt(tmp_path).read_text())
    assert made["request"]["events"] == 1
    assert made["checked"]["stages holding the events"] == 0


def test_processes_share_the_first_salt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P5REC_HOME", str(tmp_path))
    first, second = Tombstones.kept(), Tombstones.kept()
    assert first.salt == second.salt == (forget_folder() / "salt").read_bytes()
    first.adding(np.array([1], np.uint64)).write()
    (forget_folder() / "salt").unlink()
    with pytest.raises(UserError, match="expected the file salt beside it"):
        Tombstones.read()


def test_tombstones_of_another_request_are_no_proof(here: Path) -> None:
    forget("--user", A)
    path = receipt(here)
    assert "NO" not in output_of("forget", "verify", str(path))
    marks = forget_folder() / "tombstones.npy"
    np.save(marks, np.load(marks) + np.uint64(1))
    outcome = result("forget", "verify", str(path))
    assert outcome.exit_code == 1
    assert "NO      tombstones are in force: 0 of 8" in outcome.stdout


def test_lists_are_written_again_after_forgetting(here: Path) -> None:
    shutil.copytree(here / "runs/my", here / "copy")
    words = ("recommend", "--model", "copy/models/popularity", "--out", "lists.parquet")
    output_of(*words)
    before = file_sha256(here / "lists.parquet")
    some = events().filter(pl.col("user") == A).head(3).select("user", "item", "time")
    some.write_csv("some.csv")
    forget("--events", "some.csv")
    output_of(*words)
    assert file_sha256(here / "lists.parquet") != before
