"""The example of docs/python.md, word for word, with polars and with pandas frames."""

from __future__ import annotations

import re
import runpy
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_shop import SMALL, shop_events, shop_items

import p5rec

DOCS = Path(__file__).resolve().parents[2] / "docs/python.md"
NAMES = {"A-2": "B-02", "A-1": "C-1", "A-3": "C-2"}  # as the example calls some articles


def as_polars(frame: pl.DataFrame) -> Any:
    return frame


def as_pandas(frame: pl.DataFrame) -> Any:
    pytest.importorskip("pandas")
    return frame.to_pandas()


@pytest.mark.parametrize("made", [as_polars, as_pandas])
def test_the_example(
    made: Any, hybrid: p5rec.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.S)
    assert found is not None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(p5rec, "Hybrid", partial(p5rec.Hybrid, **SMALL), raising=False)
    events, items = (
        made(frame.with_columns(pl.col("sku").replace(NAMES)))
        for frame in (shop_events(), shop_items())
    )
    shown: list[Any] = []
    names = {"events": events, "items": items, "show": shown.append}
    lines = [re.sub(r"^(model\.recommend\(.*?\))( *#.*)?$", r"show(\1)", line)
             for line in found[1].splitlines()]  # fmt: skip
    (tmp_path / "example.py").write_text("\n".join(lines))
    left = runpy.run_path(str(tmp_path / "example.py"), names)
    lists, new = shown
    assert type(lists) is type(new) is type(events)
    assert list(lists.columns) == ["user", "rank", "item", "title", "score"]
    assert list(lists["rank"]) == list(range(1, 11))
    assert set(lists["user"]) == {"u1"}
    assert set(new["item"]) == {"C-1", "C-2"}
    again = left["model"].recommend(users=["u1"], k=10)
    assert again.equals(lists)  # it was saved and loaded in between


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
