"""Readers leave out the events that have tombstones, as if their logs never had them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from p5rec.core.artefacts import Store
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.prepare import load_corpus, prepare_data
from p5rec.data.reading import read_log, whole_logs
from p5rec.data.tombstones import MARKS, SALT, Tombstones, forget_folder

EVENTS = pl.DataFrame(
    {
        "user": ["ann"] * 4 + ["bob"] * 4 + ["eve"] * 4,
        "item": ["a", "b", "c", "d"] * 2 + ["b", "c", "d", "x"],
        "time": [1000, 2000, 3000, 4000] * 3,
        "rating": [5.0, 3.0, 4.0, 1.0] * 3,
    }
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("P5REC_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def config(
    tmp_path: Path, events: pl.DataFrame = EVENTS, name: str = "log", **more: object
) -> DataConfig:
    folder = tmp_path / name
    folder.mkdir()
    events.write_csv(folder / "log.csv")
    return DataConfig.model_validate(
        {"source": "table", "path": str(folder / "log.csv"), "dedupe": "none", **more}
    )


def forget(data: DataConfig, chosen: pl.Expr) -> None:
    tombstones = Tombstones.read()
    for log in whole_logs(data).values():
        marks = tombstones.marks_of(log)
        tombstones = tombstones.adding(marks[log.events.select(chosen).to_series().to_numpy()])
    tombstones.write()


def content(corpus: Corpus) -> list[object]:
    log = corpus.interactions
    ratings = None if log.ratings is None else log.ratings.tolist()
    return [
        log.event_keys.tolist(), log.times.tolist(), ratings, corpus.split.of_event.tolist(),
        corpus.users.ids, corpus.catalog.table.to_pylist(),
    ]  # fmt: skip


@pytest.mark.parametrize("order", ["time", "rows"])
def test_a_forgotten_user_is_as_one_that_was_never_there(tmp_path: Path, order: str) -> None:
    data = config(tmp_path, order=order)
    forget(data, pl.col("user") == "eve")
    assert (forget_folder() / SALT).stat().st_mode & 0o777 == 0o600
    never = config(tmp_path, EVENTS.filter(pl.col("user") != "eve"), "never", order=order)
    (corpus, summary), (expected, wanted) = build(data), build(never)
    assert content(corpus) == content(expected)
    assert summary == wanted
    assert "x" not in corpus.catalog.ids  # an item of the forgotten user alone


@pytest.mark.parametrize("order", ["time", "rows"])
def test_a_forgotten_event_leaves_the_others_of_the_user(tmp_path: Path, order: str) -> None:
    data = config(tmp_path, order=order)
    event = (pl.col("user") == "ann") & (pl.col("item") == "b")
    forget(data, event)
    never = config(tmp_path, EVENTS.filter(~event), "never", order=order)
    assert content(build(data)[0]) == content(build(never)[0])


def test_new_events_of_a_forgotten_user_are_read(tmp_path: Path) -> None:
    data = config(tmp_path)
    forget(data, pl.col("user") == "eve")
    later = EVENTS.filter(pl.col("user") == "eve").with_columns(pl.col("time") + 10_000)
    again = config(tmp_path, pl.concat([EVENTS, later]), "again")
    events = read_log(again).events.filter(pl.col("user") == "eve")
    assert events["time"].min() > 10_000_000_000


def test_positions_of_another_file_are_other_events(tmp_path: Path) -> None:
    data = config(tmp_path, order="rows")
    forget(data, pl.col("user") == "eve")
    path = tmp_path / "other.csv"
    EVENTS.write_csv(path)
    other = data.model_copy(update={"path": str(path)})
    assert len(read_log(other).events) == len(EVENTS)
    assert len(read_log(data).events) == len(EVENTS) - 4


def test_events_of_parts_are_forgotten_in_their_files(tmp_path: Path) -> None:
    one = config(tmp_path, name="one")
    forget(one, pl.col("user") == "eve")
    both = DataConfig.model_validate(
        {"source": "parts", "dedupe": "none",
         "parts": {name: {"source": "table", "path": one.path} for name in "pq"}}
    )  # fmt: skip
    assert set(build(both)[0].users.ids) == {"p/ann", "p/bob", "q/ann", "q/bob"}


def test_the_data_stage_is_another_only_where_events_were_forgotten(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", notify=lambda _: None)
    data = config(tmp_path)
    other = config(tmp_path, EVENTS.with_columns(pl.col("time") + 7), "other")
    before = prepare_data(data, store), prepare_data(other, store)
    forget(data, pl.col("user") == "eve")
    after = prepare_data(data, store), prepare_data(other, store)
    assert before[0].key != after[0].key
    assert before[1].key == after[1].key
    users = [load_corpus(each[0].path).users.ids for each in (before, after)]
    assert users[1] == [user for user in users[0] if user != "eve"]
    assert prepare_data(data, store).key == after[0].key


def test_tombstones_do_not_hold_ids_or_unsalted_keys(tmp_path: Path) -> None:
    data = config(tmp_path)
    forget(data, pl.col("user") == "eve")
    first = Tombstones.read()
    assert len(first.marks) == 4
    (forget_folder() / SALT).unlink()
    (forget_folder() / MARKS).unlink()
    forget(data, pl.col("user") == "eve")
    assert not np.isin(Tombstones.read().marks, first.marks).any()
