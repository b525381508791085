"""A saved corpus equals the built one and depends only on the content of the log."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from p5rec.core.artefacts import Store, read_json
from p5rec.core.errors import UserError
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.prepare import input_digests, load_corpus, prepare


def external(corpus: Corpus) -> list[tuple[str, str, int, int]]:
    """The events with external ids, sorted by user."""
    log, ids = corpus.interactions, corpus.catalog.ids
    rows = zip(log.users, log.items, log.times, corpus.split.of_event, strict=True)
    named = [(corpus.user_ids[u], ids[i], int(t), int(p)) for u, i, t, p in rows]
    return sorted(named, key=lambda event: event[0])


def config(path: Path, **more: Any) -> DataConfig:
    attributes = {"genres": {"column": "genre", "separator": "|"}, "year": "year"}
    items = {"path": str(path.with_name("items.csv")), "columns": {"attributes": attributes}}
    return DataConfig(**{"source": "table", "path": str(path), "items": items} | more)


def test_saved_equals_built(table: Path, tmp_path: Path) -> None:
    built, summary = build(config(table))
    out = tmp_path / "out"
    lineage = prepare(config(table), out)
    assert not len(lineage.events)
    loaded = load_corpus(out)
    for name in ("users", "items", "times", "ratings"):
        one, other = getattr(built.interactions, name), getattr(loaded.interactions, name)
        assert one.dtype == other.dtype
        assert (one == other).all()
    assert loaded.interactions.users.dtype == np.int32
    assert loaded.interactions.times.dtype == np.int64
    assert (built.split.of_event == loaded.split.of_event).all()
    assert loaded.split.of_event.dtype == np.int8
    assert loaded.user_ids == built.user_ids
    assert loaded.catalog.table.to_pylist() == built.catalog.table.to_pylist()
    assert read_json(out / "summary.json") == summary


def test_texts_survive(tmp_path: Path) -> None:
    data = DataConfig(source="synthetic", synthetic={"users": 30})
    prepare(data, tmp_path)
    built, loaded = build(data)[0].interactions.texts, load_corpus(tmp_path).interactions.texts
    assert loaded["review"].to_pylist() == built["review"].to_pylist()
    assert list(loaded) == ["review", "summary"]


def test_profile_events_survive(tmp_path: Path) -> None:
    data = DataConfig(source="synthetic", synthetic={"users": 30}, profile={"most": 3})
    prepare(data, tmp_path)
    built, loaded = build(data)[0].split.profile, load_corpus(tmp_path).split.profile
    assert built is not None
    assert loaded is not None
    assert loaded.dtype == bool
    assert loaded.sum() == 3 * 30
    assert (built == loaded).all()


def test_the_arrays_are_views_of_the_file(table: Path, tmp_path: Path) -> None:
    prepare(config(table), tmp_path / "out")
    log = load_corpus(tmp_path / "out").interactions
    assert log.users.base is not None
    assert not log.users.flags.writeable
    import datasets

    stored = datasets.load_from_disk(str(tmp_path / "out" / "events"))
    assert stored.num_rows == 7
    assert stored.data.column("user").num_chunks == 1


def test_events_and_summary(table: Path) -> None:
    corpus, summary = build(config(table))
    events = external(corpus)
    assert [e[1] for e in events if e[0] == "1"] == ["10", "20", "30"]
    assert [e[3] for e in events if e[0] == "1"] == [0, 1, 2]
    assert [e for e in events if e[0] == "3"] == [("3", "30", 881250999, 0)]
    assert summary["split"] == {
        "name": "leave-one-out",
        "seed": 0,
        "train": 3,
        "valid": 2,
        "test": 2,
    }
    assert summary["tied_share"] == pytest.approx(2 / 7, abs=1e-6)
    assert summary["ratings"] == {"min": 1.0, "max": 5.0}
    genres = dict(zip(corpus.catalog.ids, corpus.catalog.values("genres"), strict=True))
    assert genres["10"] == ("Animation", "Comedy")


def test_the_order_of_the_rows_changes_nothing(table: Path) -> None:
    before = external(build(config(table))[0])
    head, *rows = table.read_text().splitlines()
    table.write_text("\n".join([head, *rows[::-1]]) + "\n")
    assert external(build(config(table))[0]) == before


def test_row_numbers_do_not_follow_the_file(tmp_path: Path) -> None:
    lines = "".join(f"u{n // 5:03},{n:04},{n}\n" for n in range(500))
    (tmp_path / "log.csv").write_text("user,item,time\n" + lines)
    corpus, _ = build(DataConfig(source="table", path=str(tmp_path / "log.csv")))
    rows = np.argsort(corpus.catalog.ids)
    assert abs(np.corrcoef(rows, np.arange(500))[0, 1]) < 0.2


@pytest.mark.parametrize(
    ("dedupe", "left"),
    [("none", "xxyxz"), ("exact", "xyxz"), ("review", "xyxz"), ("first", "xyz"), ("last", "yxz")],
)
def test_dedupe(tmp_path: Path, dedupe: str, left: str) -> None:
    (tmp_path / "log.csv").write_text("user,item,time\na,x,1\na,x,1\na,y,2\na,x,3\na,z,4\n")
    corpus, summary = build(
        DataConfig(source="table", path=str(tmp_path / "log.csv"), dedupe=dedupe)
    )
    assert "".join(e[1] for e in external(corpus)) == left
    assert summary["repeats"] == {"exact": 1, "of_them_differing": 0, "copied_reviews": 0}
    assert summary["dropped"]["repeats"] == 5 - len(left)


def test_filters_are_counted(table: Path) -> None:
    corpus, summary = build(config(table, min_rating=2, k_core={"user": 2}))
    assert summary["dropped"] == {
        "incomplete": 0,
        "missing_items": 0,
        "min_rating": 1,
        "repeats": 0,
        "k_core": 1,
    }
    assert sorted(corpus.user_ids) == ["1", "2"]


def test_milliseconds_order_events_of_one_second(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(
        "user,item,time\n" + "".join(f"a,{n},{1600000000000 + 37 * (20 - n)}\n" for n in range(20))
    )
    corpus, _ = build(DataConfig(source="table", path=str(tmp_path / "log.csv")))
    assert [e[1] for e in external(corpus)] == [str(n) for n in range(19, -1, -1)]
    assert set(corpus.interactions.times.tolist()) == {1600000000}


def test_missing_items_can_be_dropped(table: Path) -> None:
    items = table.with_name("items.csv")
    items.write_text("item,title\n10,Toy Story\n20,Heat\n30,Clerks\n")
    table.write_text(table.read_text() + "1,99,5,881250800\n")
    drop = {"path": str(items), "missing": "drop"}
    corpus, summary = build(DataConfig(source="table", path=str(table), items=drop))
    assert summary["dropped"]["missing_items"] == 1
    assert "99" not in corpus.catalog.ids


def test_permuted_texts_move_to_other_items_and_nothing_else_changes() -> None:
    data = {"source": "synthetic", "synthetic": {"users": 30}}
    plain, permuted, other = (
        build(DataConfig(**data, permute_text=permute, seed=seed))[0]
        for permute, seed in ((False, 0), (True, 0), (True, 1))
    )
    assert external(plain) == external(permuted)
    assert plain.catalog.ids == permuted.catalog.ids
    records = [
        [row[1:] for row in zip(*c.catalog.table.to_pydict().values(), strict=True)]
        for c in (plain, permuted, other)
    ]
    assert sorted(records[0]) == sorted(records[1])
    same = np.mean([a == b for a, b in zip(*records[:2], strict=True)])
    assert same < 0.1
    assert plain.interactions.texts["review"] == permuted.interactions.texts["review"]
    by_id = [dict(zip(c.catalog.ids, c.catalog.titles, strict=True)) for c in (permuted, other)]
    assert by_id[0] != by_id[1]


def test_permuting_texts_needs_texts(table: Path) -> None:
    with pytest.raises(UserError, match=r"data\.permute_text: expected an item table with titles"):
        build(DataConfig(source="table", path=str(table), permute_text=True))


def test_the_catalogue_may_have_items_without_events(table: Path) -> None:
    items = table.with_name("items.csv")
    items.write_text(items.read_text() + "40,Unseen,,2000\n")
    assert len(build(config(table))[0].catalog) == 3
    corpus, _ = build(config(table, catalog="table"))
    assert len(corpus.catalog) == corpus.interactions.n_items == 4


def test_digests_are_those_of_the_inputs(table: Path) -> None:
    result = input_digests(config(table))
    assert result["events"] == hashlib.sha256(table.read_bytes()).hexdigest()
    assert set(result) == {"events", "items"}
    assert input_digests(DataConfig(source="synthetic")) == {}


def test_the_stage_is_computed_once(table: Path, tmp_path: Path) -> None:
    bound, message = config(table), []
    store = Store(tmp_path / "store", notify=message.append)
    for _ in range(2):
        artefact = store.stage(
            "data", lambda out: prepare(bound, out), config=bound.dump(), code=(),
            inputs=input_digests(bound),
        )  # fmt: skip
    assert [line.split()[1] for line in message] == ["made", "cached"]
    assert load_corpus(artefact.path).interactions.n_users == 3


def test_no_prepared_data(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected prepared data, got no summary\.json"):
        load_corpus(tmp_path)


def test_kinds_of_repeats_are_counted(tmp_path: Path) -> None:
    """Equal rows, rows with another rating or text, and one review of several items."""
    message = [
        ("a", "x", 1, 5, "Fine.", "Good"), ("a", "x", 1, 5, "Fine.", "Good"),
        ("a", "x", 1, 5, "Fine!", "Good"), ("a", "x", 1, 4, "Fine.", "Good"),
        ("a", "y", 1, 5, "Fine.", "Good"), ("a", "z", 1, 5, "Fine.", "So so"),
        ("a", "y", 2, 5, "Fine.", "Good"), ("b", "y", 1, 5, "Fine.", "Good"),
    ]  # fmt: skip
    frame = pl.DataFrame(
        message, ["user", "item", "time", "rating", "review", "summary"], orient="row"
    )
    with gzip.open(tmp_path / "log.jsonl.gz", "wb") as handle:
        handle.write(frame.write_ndjson().encode())
    data = DataConfig(source="table", path=str(tmp_path / "log.jsonl.gz"))
    left = {"none": 8, "exact": 5, "review": 4}
    for dedupe, events in left.items():
        corpus, summary = build(data.model_copy(update={"dedupe": dedupe}))
        assert len(corpus.interactions) == summary["events"] == events
        assert summary["repeats"] == {"exact": 3, "of_them_differing": 2, "copied_reviews": 1}
        assert summary["dropped"]["repeats"] == 8 - events
    # the seed decides which item keeps the review
    items = set()
    for seed in range(8):
        config = data.model_copy(update={"dedupe": "review", "seed": seed})
        items |= {e[1] for e in external(build(config)[0]) if e[0] == "a" and e[2] == 1}
    assert items == {"x", "y", "z"}
