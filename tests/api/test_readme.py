"""The Python example of README.md, verbatim, on MovieLens 100k."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from documented import code_block, run_code

import p5rec

QUICK = {
    "l2": 100.0,
    "half_life": 16.0,
    "popularity_discount": 0.3,
}  # settings of the hybrid's EASE component
FRAMES = "events, items = movies.events, movies.items"


def ran(frames: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The example's variables after a run on ``frames`` of that library, and its outputs."""
    monkeypatch.chdir(folder)
    code = code_block("README.md")
    before, variables, after = code.partition(FRAMES)
    assert variables
    names: dict[str, Any] = {}
    run_code(before + variables, names)
    if frames == "pandas":
        pytest.importorskip("pandas")
        names["events"], names["items"] = names["events"].to_pandas(), names["items"].to_pandas()
    _, _, after = after.partition("\n")  # the rest is a comment
    outputs = run_code(after, names)
    return {**names, "outputs": outputs}


def check(variables: dict[str, Any]) -> None:
    lists, new = variables["outputs"][:2]
    assert type(lists) is type(new) is type(variables["events"])
    for one in (lists, new):
        assert list(one.columns) == ["user", "rank", "item", "title", "score"]
    assert list(lists["rank"]) == list(range(1, 11))
    assert set(lists["user"]) == {"196"}
    assert set(new["item"]) == {"172", "98", "313"}
    seen = pl.DataFrame({name: list(variables["events"][name]) for name in ("user", "item")})
    assert not {*lists["item"]} & {*seen.filter(pl.col("user") == "196")["item"]}
    again = p5rec.load("hybrid", variables["train"]).recommend(users=["196"], k=10)
    assert again.equals(lists)


@pytest.mark.parametrize("frames", ["polars", "pandas"])
def test_the_example_in_seconds(
    frames: str, movielens: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The EASE component alone replaces the hybrid."""
    monkeypatch.setattr(p5rec, "Hybrid", partial(p5rec.ItemToItem, **QUICK), raising=False)
    check(ran(frames, tmp_path, monkeypatch))


@pytest.mark.nightly
@pytest.mark.parametrize("frames", ["polars", "pandas"])
def test_the_example(
    frames: str, movielens: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = ran(frames, tmp_path, monkeypatch)
    check(variables)
    table = variables["outputs"][2].table(frame="polars")
    value = dict(zip(table["method"], table["NDCG@10"], strict=True))
    assert value["hybrid"] > value["ease"]
    assert value["hybrid"] > 0.11  # .129 in the README's table, with an interval of +-.017
