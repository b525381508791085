"""Lists for people nobody can evaluate, and a word on those who get none or a short one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
from my_folder import ITEMS, Trained


def new_log(events: str) -> list[str]:
    """Overrides that put another log under the recipe, over the same items."""
    Path("new.csv").write_text("user,item,time,rating\n" + events)
    return ["data.path=new.csv", "data.catalog=table"]


def test_lists_for_sessions_too_short_to_evaluate(p5rec: Any, trained: Trained) -> None:
    words = ["--config", trained.config, "--model", trained.model]
    new = new_log("n1,i3,1,5\nn2,i5,2,4\nn2,i6,3,4\n")
    code, out, err = p5rec("recommend", *words, "--out", "a.parquet", "--k", 4, *new)
    assert (code, out, err.count("p5rec:")) == (0, "8 rows: a.parquet\n", 0), err
    lists = pl.read_parquet("a.parquet")
    assert lists["user"].unique().sort().to_list() == ["n1", "n2"]
    assert not {"i5", "i6"} & set(lists.filter(pl.col("user") == "n2")["item"])
    # the same data, prepared and kept for the lists, are still no data to evaluate on
    said = "expected a user to evaluate under the split leave-one-out, got none of 2; bring"
    for command in (["evaluate", *words], ["run", "sft", "--config", trained.config]):
        code, _, err = p5rec(*command, *new)
        assert (code, len(err.splitlines()), said in err) == (2, 1, True), err


def test_users_without_a_list_are_reported_with_reasons(p5rec: Any, trained: Trained) -> None:
    words = ["recommend", "--config", trained.config, "--model", trained.model, "--k", 5]
    every = [("all", item) for item in range(ITEMS)]
    most = [("most", item) for item in range(ITEMS - 3)]
    rows = [f"{user},i{item},{at},3\n" for at, (user, item) in enumerate([*every, *most])]
    new = new_log("".join(rows) + "few,i1,1,3\n")
    code, out, err = p5rec(*words, "--out", "a.csv", *new)
    assert (code, out) == (0, "8 rows: a.csv\n")
    told = [line for line in err.splitlines() if line.startswith("p5rec: ")]
    assert told == [
        "p5rec: 1 of 3 users got no list ('all'); all other items are in their history: 1",
        "p5rec: 1 of 3 users got fewer than 5 items ('most'); "
        "all other items are in their history: 1",
    ]
    answers = json.loads(Path("a.csv.manifest.json").read_text())["answers"]
    assert answers["without"] == {
        "users": 1, "why": {"all other items are in their history": 1}, "ids": ["all"]
    }  # fmt: skip
    assert p5rec(*words, "--out", "a.csv", *new)[:2] == (code, out)  # nothing to do, told again
    Path("stock.csv").write_text("item\ni1\ni2\n")
    code, _, err = p5rec(
        *words, "--out", "b.csv", "--candidates", "stock.csv", "--include-seen", *new
    )
    assert code == 0
    assert "3 of 3 users got fewer than 5 items" in err
    assert "; the constraints leave no more items: 3" in err
