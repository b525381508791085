"""The example of docs/python.md, verbatim, with polars and with pandas frames."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from documented import code_block, run_code
from small_shop import SMALL, USERS, shop_events, shop_items

import p5rec

NAMES = {"A-2": "B-02", "A-1": "C-1", "A-3": "C-2"}  # names of some articles in the example


def as_polars(frame: pl.DataFrame) -> Any:
    return frame


def as_pandas(frame: pl.DataFrame) -> Any:
    pytest.importorskip("pandas")
    return frame.to_pandas()


@pytest.mark.parametrize("to_frame", [as_polars, as_pandas])
def test_the_example(to_frame: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(p5rec, "Hybrid", partial(p5rec.Hybrid, **SMALL), raising=False)
    named = [each.with_columns(pl.col("sku").replace(NAMES))
             for each in (shop_events(), shop_items())]  # fmt: skip
    people = pl.DataFrame({"customer": [f"u{n}" for n in range(USERS)], "age": 30})
    bought = set(named[0].filter(pl.col("customer") == "u1")["sku"])
    others = [item for item in named[1]["sku"] if item not in bought][:10]
    served = pl.DataFrame({"user": ["u1"] * 10, "rank": range(1, 11), "item": others})
    events, items, customers, lists = map(to_frame, (*named, people, served))
    names = {"events": events, "items": items, "customers": customers, "lists": lists}
    lists_of_user, new, compared = run_code(code_block("docs/python.md"), names)
    assert type(lists_of_user) is type(new) is type(compared) is type(events)
    assert list(lists_of_user.columns) == ["user", "rank", "item", "title", "score"]
    assert list(lists_of_user["rank"]) == list(range(1, 11))
    assert set(lists_of_user["user"]) == {"u1"}
    assert "A-17" not in set(lists_of_user["item"])
    assert set(new["item"]) == {"C-1", "C-2"}
    assert set(compared["a"]) == {"hybrid"}
    again = names["again"].recommend(users=["u1"], k=10, deny={"u1": ["A-17"]})
    assert again.equals(lists_of_user)  # the model was saved and loaded in between


def test_both_kinds_of_frames_give_the_same_data_set() -> None:
    pytest.importorskip("pandas")
    one, other = (
        p5rec.Dataset.from_frame(
            to_frame(shop_events()),
            to_frame(shop_items()),
            user="customer",
            item="sku",
            time="bought_at",
        )
        for to_frame in (as_polars, as_pandas)
    )
    assert one.events.equals(pl.from_pandas(other.events))
    assert one.items.equals(pl.from_pandas(other.items))
