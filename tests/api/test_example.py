"""The example of the front page, from a frame to lists and a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_shop import SMALL, shop_events, shop_items

import p5rec


def as_polars(frame: pl.DataFrame) -> Any:
    return frame


def as_pandas(frame: pl.DataFrame) -> Any:
    pytest.importorskip("pandas")
    return frame.to_pandas()


@pytest.mark.parametrize("made", [as_polars, as_pandas])
def test_the_example(made: Any, tmp_path: Path) -> None:
    events, items = made(shop_events()), made(shop_items())
    data = p5rec.Dataset.from_frame(
        events, items=items, user="customer", item="sku", time="bought_at"
    )
    train = data.split("leave-one-out")
    model = p5rec.Hybrid(seed=0, **SMALL).fit(train, verbose=False)
    ease = p5rec.Ease(l2=10.0).fit(train, verbose=False)

    lists = model.recommend(users=["u1"], k=10)
    assert type(lists) is type(events)
    assert list(lists.columns) == ["user", "rank", "item", "title", "score"]
    assert list(lists["rank"]) == list(range(1, 11))
    new = model.recommend(histories=[["A-17", "A-2"]], k=10, candidates=["A-1", "A-2", "A-3"])
    assert set(new["item"]) == {"A-1", "A-3"}  # what it has is left out

    model.save(tmp_path / "m")
    again = p5rec.load(tmp_path / "m", train)
    assert again.recommend(users=["u1"], k=10).equals(lists)

    found = p5rec.evaluate({"hybrid": model, "ease": ease}, train, on="test")
    assert set(found.table()["method"]) == {"hybrid", "ease"}
    assert type(found.compare("hybrid", "ease")) is type(events)


def test_what_comes_out_of_both_is_the_same() -> None:
    pytest.importorskip("pandas")
    sets = [
        p5rec.Dataset.from_frame(
            made(shop_events()), made(shop_items()), user="customer", item="sku", time="bought_at"
        )
        for made in (as_polars, as_pandas)
    ]
    one, other = sets
    assert one.events.equals(pl.from_pandas(other.events))
    assert one.items.equals(pl.from_pandas(other.items))
