"""A shop's log with orders and repeat purchases, from the file to the report and to new lists."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from p5rec.cli.main import main

RECIPE = """
data:
  source: table
  path: {log}
  time_format: s
  columns: {{basket: invoice}}
  split: last-basket
ids: {{semantic: {{levels: 2, codebook: 6, vectors: {{text: null, cooccurrence: {{dim: 4}}}}}}}}
baselines: [popularity, personal-frequency, personal-general-frequency]
methods:
  tifu: {{kind: tifu-knn, tune: {{alpha: [0.2, 0.8]}}, neighbours: 5}}
  recent: {{kind: ease, l2: 10, half_life: 1}}
  sasrec: {{kind: sasrec, width: 8, epochs: 2, dropout: 0.1}}
  hybrid:
    backbone: {{kind: scratch, width: 16, layers: 1, heads: 2, feedforward: 32, dropout: 0.0}}
    item_head: {{}}
    train:
      tasks: {{next-item: {{}}, sequential-next: {{}}}}
      steps: 3
      batch: 4
      precision: float32
    decode: {{search: item-head}}
  fused:
    kind: fusion
    components: {{network: hybrid, repeats: {{kind: personal-frequency}}}}
evaluate:
  k: 10
  exclude_seen: false
  prompts: {{sequential-next: 6}}
  samples: 2
  compare: [[tifu, personal-frequency]]
"""


def write_log(path: Path) -> None:
    """Thirty customers who come back to a few articles of their own."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(30):
        own = rng.permutation(25)[:5]
        for order in range(rng.integers(2, 7)):
            bought = {*rng.choice(own, 2).tolist(), *rng.integers(0, 25, 2).tolist()}
            for item in bought:
                time = 1_600_000_000 + 90_000 * order + int(rng.integers(0, 300))
                rows.append((f"c{user}", f"a{item}", time, f"{user}-{order}"))
    pl.DataFrame(rows, schema=["user", "item", "time", "invoice"], orient="row").write_csv(path)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    write_log(folder / "log.csv")
    (folder / "shop.yaml").write_text(RECIPE.format(log=folder / "log.csv"))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()):
        patch.setenv("P5REC_HOME", str(folder / "home"))
        words = ["run", "sft", "--config", f"{folder}/shop.yaml", "--out", f"{folder}/out"]
        patch.setattr(sys, "argv", ["p5rec", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
    return folder


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def lists_of(found: dict[str, Any]) -> dict[str, Any]:
    return {m["name"]: m for m in found["methods"] if m["task"] == "sequential"}


def test_the_report_measures_baskets(ran: Path) -> None:
    found, first = report(ran / "out"), "Recall@10"
    methods = lists_of(found)
    assert len(methods) == 8
    for method in methods.values():
        assert {first, "NDCG@10"} == {*method["slices"]["repeat"]["metrics"]}
        assert method["slices"]["new"]["n"] > 0
    personal = methods["personal-frequency"]
    value = personal["slices"]["repeat"]["metrics"][first]["value"]
    assert value > personal["slices"]["new"]["metrics"][first]["value"]
    assert personal["metrics"][first]["value"] > methods["popularity"]["metrics"][first]["value"]
    compared = [c["metric"] for c in found["comparisons"] if c["task"] == "sequential"]
    assert compared == ["Recall@10", "NDCG@10"]
    assert {m["name"] for m in found["methods"] if m["task"] == "sequential-next"} >= {
        "hybrid", "hybrid (lists)", "tifu",
    }  # fmt: skip
    cases = pl.read_parquet(ran / "out/per_user.parquet").filter(pl.col("task") == "sequential")
    assert cases["item"].null_count() == len(cases)


@pytest.mark.parametrize(
    "name", ["personal-general-frequency", "tifu", "recent", "hybrid", "fused"]
)
def test_what_is_served_is_what_was_measured(
    p5rec: Any, ran: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P5REC_HOME", str(ran / "home"))
    given = ("--config", ran / "shop.yaml", "--model", ran / "out/models" / name)
    code, _, err = p5rec("evaluate", *given, "--out", "again")
    assert code == 0, err
    (again,) = lists_of(report(Path("again"))).values()
    first = lists_of(report(ran / "out"))[name]
    assert (again["metrics"], again["slices"]) == (first["metrics"], first["slices"])
    code, _, err = p5rec("recommend", *given, "--out", "lists.parquet", "--k", 5)
    assert code == 0, err
    assert len(pl.read_parquet("lists.parquet")["user"].unique()) == 30


def test_a_held_out_basket_is_no_leak(p5rec: Any, ran: Path) -> None:
    code, out, err = p5rec("audit", ran / "shop.yaml")
    assert code == 0, err + out
    assert "targets already seen" in out
