"""The example of docs/how-to/python.md, word for word, with polars and with pandas frames."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from documented import code_block, run_code
from small_shop import SMALL, USERS, shop_events, shop_items

import p5rec

NAMES = {"A-2": "B-02", "A-1": "C-1", "A-3": "C-2"}  # as the example calls some articles


def as_polars(frame: pl.DataFrame) -> Any:
    return frame


def as_pandas(frame: pl.DataFrame) -> Any:
    pytest.importorskip("pandas")
    return frame.to_pandas()


@pytest.mark.parametrize("made", [as_polars, as_pandas])
def test_the_example(made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(p5rec, "Hybrid", partial(p5rec.Hybrid, **SMALL), raising=False)
    named = [each.with_columns(pl.col("sku").replace(NAMES))
             for each in (shop_events(), shop_items())]  # fmt: skip
    people = pl.DataFrame({"customer": [f"u{n}" for n in range(USERS)], "age": 30})
    bought = set(named[0].filter(pl.col("customer") == "u1")["sku"])
    others = [item for item in named[1]["sku"] if item not in bought][:10]
    served = pl.DataFrame({"user": ["u1"] * 10, "rank": range(1, 11), "item": others})
    events, items, customers, lists = map(made, (*named, people, served))
    names = {"events": events, "items": items, "customers": customers, "lists": lists}
    own, new, compared = run_code(code_block("docs/how-to/python.md"), names)
    assert type(own) is type(new) is type(compared) is type(events)
    assert list(own.columns) == ["user", "rank", "item", "title", "score"]
    assert list(own["rank"]) == list(range(1, 11))
    assert set(own["user"]) == {"u1"}
    assert "A-17" not in set(own["item"])
    assert set(new["item"]) == {"C-1", "C-2"}
    assert set(compared["a"]) == {"hybrid"}
    again = names["loaded"].recommend(users=["u1"], k=10, deny={"u1": ["A-17"]})
    assert again.equals(own)  # it was saved and loaded in between


def test_what_comes_out_of_both_is_the_same() -> None:
    pytest.importorskip("pandas")
    one, other = (
        p5rec.Dataset.from_frame(
            made(shop_events()), made(shop_items()), user="customer", item="sku", time="bought_at"
        )
        for made in (as_polars, as_pandas)
    )
    assert one.events.equals(pl.from_pandas(other.events))
    assert one.items.equals(pl.from_pandas(other.items))


@pytest.mark.parametrize("made", [as_polars, as_pandas])
def test_histories_from_a_frame(made: Any) -> None:
    page = "docs/how-to/python.md"
    first, in_polars, in_pandas = code_block(page, 1).splitlines()
    frame = pl.DataFrame({"user": ["b", "a", "b"], "item": ["x", "y", "z"], "time": [2, 1, 1]})
    names: dict[str, Any] = {"events": made(frame)}
    run_code(in_pandas if made is as_pandas else f"{first}\n{in_polars}", names)
    assert names["histories"] == {"a": ["y"], "b": ["z", "x"]}
