"""Context, labels and behaviours: typed, described, and aligned with their events after filters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from p5rec.core.errors import UserError
from p5rec.core.features import Categories
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.describe import as_lines, behaviour_notes, describe
from p5rec.data.prepare import load_corpus, prepare

HEAD = "user,item,time,qty,Country,clicked,event\n"
ROWS = (
    "a,x,1,2,FR,1,view\n"
    "a,x,1,2.5,NA,0,buy\n"
    "a,y,2,,FR,,buy\n"
    "a,z,3,n/a, ,true,buy\n"
    "b,x,4,1e2,none,0.0,view\n"
    "b,y,5,7,DE,False,buy\n"
)  # fmt: skip
EVENTS = [
    ("a", "x", 1, 2.0, "FR", 1, "view"),
    ("a", "x", 1, 2.5, "NA", 0, "buy"),
    ("a", "y", 2, None, "FR", -1, "buy"),
    ("a", "z", 3, None, None, 1, "buy"),
    ("b", "x", 4, 100.0, "none", 0, "view"),
    ("b", "y", 5, 7.0, "DE", 0, "buy"),
]
WANTED: dict[str, Any] = {
    "context": {"qty": "number", "country": {"column": "Country", "kind": "category"}},
    "label": {"column": "clicked"},
    "behaviour": {"column": "event", "targets": ["buy"], "weights": {"view": 0.2}},
}


def config(folder: Path, text: str = HEAD + ROWS, **more: Any) -> DataConfig:
    (folder / "log.csv").write_text(text)
    return DataConfig(**{"source": "table", "path": str(folder / "log.csv"), **WANTED, **more})


def event_rows(corpus: Corpus) -> list[tuple[Any, ...]]:
    """The events under external names, sorted."""
    log, ids = corpus.interactions, corpus.catalog.ids
    country, done = log.context["country"], log.behaviours
    assert isinstance(country, Categories)
    assert done is not None
    assert log.labels is not None
    number = log.context["qty"]
    assert isinstance(number, np.ndarray)
    result = [
        (
            corpus.user_ids[log.users[e]],
            ids[log.items[e]],
            int(log.times[e]),
            None if np.isnan(number[e]) else float(number[e]),
            None if country.codes[e] < 0 else country.values[country.codes[e]],
            int(log.labels[e]),
            done.names[done.codes[e]],
        )
        for e in range(len(log))
    ]
    return sorted(result, key=lambda row: (row[:3], row[6] != "view"))


def test_columns_are_typed_and_stay_with_their_events(tmp_path: Path) -> None:
    corpus, summary = build(config(tmp_path))
    log = corpus.interactions
    assert event_rows(corpus) == EVENTS
    assert log.behaviours is not None
    assert log.behaviours.names == ("buy", "view")
    assert (log.behaviours.targets, log.behaviours.weights) == (("buy",), (1.0, 0.2))
    assert log.is_target.sum() == 4
    assert sorted(log.weights.tolist()) == [0.2, 0.2, 1, 1, 1, 1]
    assert summary["context"] == {
        "qty": {"missing": 2, "values": 4}, "country": {"missing": 1, "values": 4},
    }  # fmt: skip
    assert (summary["unlabelled"], summary["behaviours"]) == (
        1, {"targets": ["buy"], "history": ["view"]},
    )  # fmt: skip
    assert behaviour_notes(summary) == [
        "Events of buy are recommended and held out; events of view only appear in histories."
    ]


def test_saved_columns_equal_built_ones_and_are_memory_mapped(tmp_path: Path) -> None:
    built = build(config(tmp_path))[0]
    prepare(config(tmp_path), tmp_path / "out")
    loaded = load_corpus(tmp_path / "out")
    assert event_rows(loaded) == event_rows(built)
    log = loaded.interactions
    assert log.labels is not None
    assert log.behaviours is not None
    country = log.context["country"]
    assert isinstance(country, Categories)
    arrays = [log.context["qty"], log.labels, log.behaviours.codes, country.codes]
    assert [array.dtype for array in arrays] == [np.float32, np.int8, np.int8, np.int32]
    assert not any(array.flags.owndata for array in arrays)
    assert log.behaviours.weights == (1.0, 0.2)


def test_without_optional_columns_the_fields_are_empty(tmp_path: Path) -> None:
    bare = config(tmp_path, context={}, label=None, behaviour=None)
    prepare(bare, tmp_path / "out")
    log = load_corpus(tmp_path / "out").interactions
    assert (log.context, log.labels, log.behaviours) == ({}, None, None)
    assert log.is_target.all()
    assert len(log) == 5  # one of two rows equal in user, item and time is dropped


@pytest.mark.parametrize(
    "more",
    [
        {"dedupe": "none"}, {"dedupe": "exact"}, {"dedupe": "first"}, {"dedupe": "last"},
        {"split": "time"}, {"split": "user-time"}, {"seed": 7}, {"k_core": {"user": 2, "item": 2}},
    ],
)  # fmt: skip
def test_columns_follow_their_events(tmp_path: Path, more: dict[str, Any]) -> None:
    """The columns are functions of user, item, time and behaviour, so any mix-up is visible."""
    rng = np.random.default_rng(0)
    draws = rng.integers(0, [12, 9, 40, 2], size=(400, 4)).tolist()
    rows = "".join(
        f"u{u},i{i},{t},{u + i / 8 + t},c{(u * i + t) % 7},{(u + i + t) % 2},{('buy', 'view')[b]}\n"
        for u, i, t, b in draws
    )
    corpus = build(config(tmp_path, HEAD + rows, **more), evaluable=False)[0]
    result = event_rows(corpus)
    assert result
    for user, item, t, quantity, country, label, _ in result:
        u, i = int(user[1:]), int(item[1:])
        expected = (u + i / 8 + t, f"c{(u * i + t) % 7}", (u + i + t) % 2)
        assert (quantity, country, label) == expected
    done = [(*row[:3], row[6]) for row in result]
    if more.get("dedupe") != "none":
        assert len(set(done)) == len(done)
    if more.get("dedupe") in ("first", "last"):
        pairs = [(row[0], row[1], row[3]) for row in done]
        assert len(set(pairs)) == len(pairs)


def test_labels_from_ratings_drop_nothing(tmp_path: Path) -> None:
    rows = "a,x,1,4.5\na,y,2,3.9\na,z,3,4\nb,x,4,1\n"
    text = "user,item,time,rating\n" + rows
    label = {"rating_at_least": 4}
    corpus = build(config(tmp_path, text, context={}, behaviour=None, label=label))[0]
    log = corpus.interactions
    assert log.labels is not None
    assert log.ratings is not None
    assert (log.labels == (log.ratings >= 4)).all()
    assert describe(corpus)["labels"] == {"labelled": 4, "unknown": 0, "positive": 0.5}


def test_describe_has_the_optional_columns(tmp_path: Path) -> None:
    result = describe(build(config(tmp_path))[0])
    assert result["context qty"]["unknown"] == 2
    assert result["context qty"]["max"] == 100
    assert result["context country"] == {"FR": 2, "DE": 1, "NA": 1, "none": 1, "unknown": 1}
    assert result["labels"] == {"labelled": 5, "unknown": 1, "positive": 0.4}
    assert result["behaviours"] == {"buy (target)": 4, "view": 2}
    assert result["split"] == {"name": "leave-one-out", "train": 4, "valid": 1, "test": 1}
    assert result["repeated_pairs"] == 0
    lines = as_lines(result)
    assert any(line.startswith("behaviours") and "buy (target) 4" in line for line in lines)


CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "number": ("a,x,1,two,FR,1,buy\n", {}, r"log.csv, row 8: expected a number in column 'qty'"),
    "endless": ("a,x,1,1e99,FR,1,buy\n", {}, r"a number in column 'qty', got '1e99'"),
    "label": ("a,x,1,2,FR,2,buy\n", {}, r"row 8: expected 1 or 0 in column 'clicked', got '2'"),
    "behaviour": ("a,x,1,2,FR,1,\n", {}, r"row 8: expected a behaviour in .*, got nothing"),
    "column": ("", {"context": {"q": "number"}}, r"a column 'q' for data.context.q, got none"),
    "target": (
        "", {"behaviour": {"column": "event", "targets": ["bye"]}},
        r"events of the behaviour 'bye' in column 'event', got none; did you mean 'buy'.*targets",
    ),
    "weight": (
        "", {"behaviour": {"column": "event", "targets": ["buy"], "weights": {"veiw": 1}}},
        r"did you mean 'view'.*data.behaviour.weights",
    ),
    "no ratings": ("", {"label": {"rating_at_least": 4}}, r"ratings, for data.label.rat"),
    "many": (
        "".join(f"a,x,1,1,FR,1,e{n}\n" for n in range(101)), {},
        r"at most 100 behaviours in column 'event', got 103",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_one_line(tmp_path: Path, case: str) -> None:
    rows, more, message = CASES[case]
    with pytest.raises(UserError, match=message) as caught:
        build(config(tmp_path, HEAD + ROWS + rows, **more))
    assert len(caught.value.lines) == 1


def test_all_missing_columns_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        build(config(tmp_path, "user,item,time\na,x,1\n"))
    assert len(caught.value.lines) == 4


def test_a_source_without_the_column_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"a source 'synthetic', which has none; unset data\.context"
    ):
        build(DataConfig(source="synthetic", context={"q": "number"}))


def test_incomplete_rows_without_a_behaviour_can_be_dropped(tmp_path: Path) -> None:
    built = build(config(tmp_path, HEAD + ROWS + "a,x,1,2,FR,1,\n", incomplete="drop"))
    assert built[1]["dropped"]["incomplete"] == 1
    assert event_rows(built[0]) == EVENTS


def test_nobody_to_evaluate_names_the_targets(tmp_path: Path) -> None:
    behaviour = {"column": "event", "targets": ["view"]}
    with pytest.raises(UserError, match="add at least one user with 3 events of view"):
        build(config(tmp_path, behaviour=behaviour))


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "user": ["a"] * 3, "item": ["x", "y", "z"], "time": [1, 2, 3], "qty": [1.5, None, 3.0],
            "Country": [1.0, 2.0, None], "clicked": [True, False, None], "event": ["buy"] * 3,
        }
    )  # fmt: skip
    frame.write_parquet(tmp_path / "log.parquet")
    behaviour = {"column": "event", "targets": ["buy"]}
    more = {**WANTED, "behaviour": behaviour}
    corpus = build(DataConfig(source="table", path=str(tmp_path / "log.parquet"), **more))[0]
    assert event_rows(corpus) == [
        ("a", "x", 1, 1.5, "1", 1, "buy"),
        ("a", "y", 2, None, "2", 0, "buy"),
        ("a", "z", 3, 3.0, None, -1, "buy"),
    ]


def test_auxiliary_events_need_no_rating(tmp_path: Path) -> None:
    rows = "a,x,1,,view\na,y,2,3,buy\na,z,3,5,buy\na,x,4,4,buy\na,w,5,1,buy\n"
    more = {"context": {}, "label": {"rating_at_least": 4}, "min_rating": 2}
    text = "user,item,time,rating,event\n"
    corpus, summary = build(config(tmp_path, text + rows, **more))
    log = corpus.interactions
    assert log.ratings is not None
    assert log.labels is not None
    assert np.isnan(log.ratings).tolist() == [True, False, False, False]
    assert log.labels.tolist() == [-1, 0, 1, 1]
    assert (summary["ratings"], summary["dropped"]["min_rating"]) == ({"min": 3.0, "max": 5.0}, 1)
    assert describe(corpus)["ratings"] == {"3": 1, "4": 1, "5": 1}
    with pytest.raises(UserError, match="row 2: expected a rating in column 'rating', got nothing"):
        build(config(tmp_path, text + "a,x,1,,buy\n", **more))
