from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from small_shop import EACH, ITEMS, USERS, shop, shop_events, shop_items

import p5rec
from p5rec.data.prepare import load_corpus, prepare_data

COLUMNS = {"user": "customer", "item": "sku", "time": "bought_at"}


def test_frames_of_external_ids(train: p5rec.Dataset) -> None:
    assert train.users.shape == (USERS, 2)
    assert set(train.items.columns) == {"item", "title", "colour", "events"}
    assert len(train.items) == ITEMS
    events = train.events
    assert events.columns == ["user", "item", "time", "rating", "split"]
    first = shop_events().select(
        user="customer", item="sku", time="bought_at", rating=pl.col("stars").cast(pl.Float32)
    )
    keys = ["user", "time"]
    assert events.drop("split").sort(keys).equals(first.sort(keys))
    assert events["split"].value_counts().sort("split").rows() == [
        ("test", USERS), ("train", USERS * (EACH - 2)), ("valid", USERS)
    ]  # fmt: skip
    assert len(train.test) == len(train.valid) == USERS
    last = first.sort("time").group_by("user").last()
    assert train.test.sort("user").equals(last.select(train.test.columns).sort("user"))
    assert train.describe()["split"]["test"] == USERS
    assert repr(train) == "Dataset(40 users, 24 items, 280 events, split leave-one-out)"


def test_notebooks_display_the_data_set(train: p5rec.Dataset) -> None:
    assert "<pre>users " in train._repr_html_()
    assert shop()._repr_html_() == "<pre>Dataset(table, split leave-one-out, not read yet)</pre>"
    assert len(train.plot().axes) == 3
    assert train.plot()._repr_png_().startswith(b"\x89PNG")
    rows = {"user": ["a", "a", "b"], "item": ["x", "y", "x"]}
    assert len(p5rec.Dataset.from_frame(rows, time=None).plot().axes) == 2


def test_a_frame_and_a_file_give_the_same_data_set(tmp_path: Path, train: p5rec.Dataset) -> None:
    shop_events().write_parquet(tmp_path / "log.parquet")
    shop_items().write_parquet(tmp_path / "items.parquet")
    file = p5rec.Dataset.from_file(
        tmp_path / "log.parquet", items=tmp_path / "items.parquet", item_id="sku",
        attributes=["colour"], rating="stars", **COLUMNS,
    )  # fmt: skip
    section = {
        "source": "table", "path": str(tmp_path / "log.parquet"),
        "columns": {"rating": "stars", **COLUMNS},
        "items": {"path": str(tmp_path / "items.parquet"),
                  "columns": {"item": "sku", "attributes": {"colour": "colour"}}},
    }  # fmt: skip
    same = p5rec.Dataset.from_config(section)
    assert file.config == same.config
    assert file.events.equals(train.events)
    assert file.items.equals(train.items)


def test_splits_and_settings_equal_a_recipe(train: p5rec.Dataset) -> None:
    by_time = shop(min_rating=2, k_core={"user": 2, "item": 1}).split("time", seed=3)
    store = by_time.prepared().store
    corpus = load_corpus(prepare_data(by_time.config, store).path)
    assert (corpus.split.name, corpus.split.seed) == ("time", 3)
    assert by_time.summary["dropped"]["min_rating"] == 56
    assert by_time.describe()["split"]["train"] == int(corpus.split.mask("train").sum())


def test_a_synthetic_dataset() -> None:
    data = p5rec.Dataset.from_config({"source": "synthetic", "synthetic": {"users": 8, "items": 9}})
    assert len(data.users) == 8
    assert repr(data).startswith("Dataset(8 users")


ERRORS = {
    "a column": (
        lambda: p5rec.Dataset.from_frame(
            shop_events(), user="custmer", item="sku", time="bought_at"
        ),
        "events: expected a column 'custmer' for the user, got none; did you mean 'customer'? "
        "(set user)",
    ),
    "a value": (
        lambda: p5rec.Dataset.from_frame(
            shop_events().with_columns(sku=pl.when(pl.col("customer") != "u1").then("sku")),
            **COLUMNS,
        ).split(),
        "events, row 8: expected a item id in column 'sku', got nothing (and 6 more rows); fill it "
        "in, or set incomplete to drop",
    ),
    "an item": (
        lambda: p5rec.Dataset.from_frame(shop_events(), shop_items().head(23), **COLUMNS).split(),
        "events, row",
    ),
    "a setting": (
        lambda: p5rec.Dataset.from_frame(shop_events(), dedup="first", **COLUMNS),
        "Dataset.from_frame: expected a known key, got 'dedup'; did you mean 'dedupe'?",
    ),
    "a split": (lambda: shop().split("leave-two-out"), "Dataset.split: split: "),
    "nobody": (
        lambda: p5rec.Dataset.from_frame(shop_events().head(2), **COLUMNS).split(),
        "events: expected a user to evaluate under the split leave-one-out, got none of 1; add "
        "at least one user with 3 events, or lower k_core and min_rating",
    ),
    "no frame": (
        lambda: p5rec.Dataset.from_frame("log.csv"),
        "events: expected a frame (polars, pandas or Arrow), got a str; convert it to one",
    ),
    "no times": (
        lambda: p5rec.Dataset.from_frame({"user": ["a"], "item": ["x"]}),
        "events: expected a column 'time' for the time, got none; known: item, user (set time, or "
        "order to rows if the rows are sorted, oldest first)",
    ),
    "a name twice": (
        lambda: shop(context={"label": {"column": "stars", "kind": "number"}}),
        "Dataset.from_frame: context: value error, label cannot name a context column",
    ),
    "mixed ids": (
        lambda: p5rec.Dataset.from_frame({"user": [1, "a"], "item": [1, 2], "time": [1, 2]}),
        "events: expected columns of one type each, got ",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_one_line_and_name_the_frame(name: str) -> None:
    make, message = ERRORS[name]
    with pytest.raises(p5rec.UserError) as caught:
        make()
    (line,) = caught.value.lines
    assert line.startswith(message)
    assert "parquet" not in line
    assert "data." not in line


def test_arrow_and_lazy_frames_and_mappings(train: p5rec.Dataset) -> None:
    events = shop_events()
    for frame in (events.lazy(), events.to_arrow(), events.to_dict(as_series=False)):
        data = p5rec.Dataset.from_frame(frame, rating="stars", **COLUMNS)
        assert data.events.drop("split").equals(train.events.drop("split"))


def test_rows_in_order_where_there_are_no_times(train: p5rec.Dataset) -> None:
    events = shop_events().sort("bought_at")
    columns = {"user": "customer", "item": "sku", "time": None}
    data = p5rec.Dataset.from_frame(events.drop("bought_at"), **columns).split()
    assert data.summary["ordinal"]
    by_rows = p5rec.Dataset.from_frame(events, user="customer", item="sku", order="rows")
    assert by_rows.events["time"].equals(data.events["time"])
    assert data.events["time"].to_list() == [*range(EACH)] * USERS
    keys = ["user", "item"]
    assert data.test.select(keys).sort(keys).equals(train.test.select(keys).sort(keys))
    assert p5rec.Dataset.from_frame(events, **columns).events.equals(data.events.drop("split").join(
        data.events.select("user", "time", "split"), on=["user", "time"], maintain_order="left"
    ))  # fmt: skip
    with pytest.raises(p5rec.UserError, match="expected times, for the split by time, got an"):
        data.split("time")


def test_orders_users_context_labels_and_behaviours() -> None:
    events = shop_events().with_columns(
        order=pl.format("{}-{}", "customer", pl.int_range(pl.len()).over("customer") // 2),
        done=pl.lit("buy"),
        hour=pl.lit(9),
        opened=pl.lit(1),
    )
    sooner = pl.col("bought_at") - pl.duration(seconds=1)
    views = events.with_columns(done=pl.lit("view"), order=None, bought_at=sooner)
    people = pl.DataFrame(
        {"customer": [f"u{n}" for n in range(USERS)], "town": ["Bonn"] * USERS, "age": 30}
    )
    data = p5rec.Dataset.from_frame(
        pl.concat([events, views.select(events.columns)]), users=people, basket="order",
        user_attributes=["town"], context={"hour": "number"}, label={"column": "opened"},
        behaviour={"column": "done", "targets": ["buy"], "weights": {"view": 0.5}}, **COLUMNS,
    ).split("last-basket")  # fmt: skip
    log, events_out = data.corpus.interactions, data.events
    further = ["basket", "behaviour", "label", "hour", "split"]
    assert events_out.columns == ["user", "item", "time", *further]
    assert set(events_out["label"]) == {1}
    assert set(events_out["hour"]) == {9.0}
    bought = events_out.filter(pl.col("behaviour") == "buy")
    orders = bought.group_by("user", "basket").len().group_by("user").len()
    assert set(orders["len"]) == {-(-EACH // 2)}
    assert data.test.columns == events_out.columns[:-1]
    assert data.users.columns == ["user", "town", "events"]
    assert data.items["events"].sum() == 2 * USERS * EACH
    described = data.describe()
    assert described["baskets"] == USERS * -(-EACH // 2)
    assert described["behaviours"] == {"buy (target)": USERS * EACH, "view": USERS * EACH}
    assert [*log.context] == ["hour"]
    assert (log.labels == 1).all()
    assert log.is_target[data.corpus.split.mask("valid", "test")].all()
    assert len(p5rec.PersonalFrequency().fit(data, verbose=False).recommend(["u1"], k=3)) == 3
    with pytest.raises(p5rec.UserError, match="expected a column 'dome' for behaviour"):
        p5rec.Dataset.from_frame(events, behaviour={"column": "dome", "targets": ["b"]}, **COLUMNS)
    with pytest.raises(p5rec.UserError, match="users: expected a column 'twon'"):
        p5rec.Dataset.from_frame(events, users=people, user_attributes=["twon"], **COLUMNS).split()
