"""A method is added in one file, which a config names; every command accepts it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from commands import enter, figures, output_of

from p5rec.methods.plugins import load_plugins
from p5rec.methods.registry import METHODS

FILE = Path(__file__).with_name("last_item.py")
RECIPE = f"""
plugins: [{FILE}]
data: {{source: synthetic, synthetic: {{kind: markov, users: 60, items: 30, events: 10}}}}
baselines: [popularity]
methods:
  mine: {{kind: last-item}}
  fixed: {{kind: last-item, noise: 0.2}}
repeats: 2
evaluate: {{k: 10, prompts: {{click: 40}}, compare: [[mine, popularity], [mine, item-click-rate]]}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_plugins: None) -> Path:
    return enter(tmp_path, RECIPE, monkeypatch)


def test_every_command_accepts_it(here: Path) -> None:
    assert output_of("plan", "my.yaml").splitlines() == [
        "popularity: 1 model to fit",
        "mine: 2 models to fit, one for each candidate setting",
        "fixed: 1 model to fit",
    ]
    assert "p5rec ids inspect" not in output_of("run", "my.yaml")  # there are none
    measured = figures("runs/my")
    assert measured.keys() == {"popularity", "mine", "fixed"}
    assert measured["mine"]["about"]["tuned"] == {"kind": "last-item", "noise": 0.01}
    assert measured["mine"]["about"]["configs_tried"] == 2
    assert "configs_tried" not in measured["fixed"]["about"] or (
        measured["fixed"]["about"]["configs_tried"] == 1
    )
    by_seed = measured["mine"]["by_seed"]["HR@10"]
    assert len(by_seed) == 2
    value = lambda name: measured[name]["metrics"]["HR@10"]["value"]  # noqa: E731
    assert value("mine") > value("popularity")

    clicks = figures("runs/my", "click")
    assert clicks.keys() == {"item-click-rate", "mine", "fixed"}
    assert {method["n"] for method in clicks.values()} == {80}
    area = {name: method["metrics"]["AUC"]["value"] for name, method in clicks.items()}
    assert area["mine"] > area["item-click-rate"]
    assert {"log loss", "Brier"} < clicks["mine"]["metrics"].keys()
    assert "ECE" in clicks["mine"]["other_metrics"]
    pairs = json.loads(Path("runs/my/report.json").read_text())["comparisons"]
    assert [(c["task"], c["metric"]) for c in pairs if c["b"] == "item-click-rate"] == [
        ("click", "AUC"),
        ("click", "gAUC"),
        ("click", "log loss"),
    ]

    output_of("evaluate", "--model", "runs/my/models/mine", "--out", "again")
    again = figures("again", "click")["mine"]["metrics"]["AUC"]["value"]
    assert again == clicks["mine"]["by_seed"]["AUC"][0]
    assert figures("again")["mine"]["metrics"]["HR@10"]["value"] == by_seed[0]
    output_of("recommend", "--model", "runs/my/models/mine", "--out", "lists.csv", "--k", "5")
    served = pl.read_csv("lists.csv")
    reported = pl.read_parquet("runs/my/lists/mine.parquet")
    for user in served["user"].unique().to_list()[:3]:
        assert served.filter(user=user)["item"].len() == 5
    assert set(reported["user"]) <= set(served["user"])
    assert "mine" in output_of("report", "show", "runs/my")

    output_of("run", "my.yaml", "--permute", "history")
    permuted = figures("runs/my-permute-history")
    assert permuted["popularity"]["metrics"] == measured["popularity"]["metrics"]
    assert permuted["mine"]["metrics"]["HR@10"]["value"] < value("mine")
    permuted_clicks = figures("runs/my-permute-history", "click")["mine"]
    assert permuted_clicks["metrics"]["AUC"]["value"] < area["mine"]


def test_its_capabilities_survive_saving(
    here: Path, build: Callable, make_requests: Callable
) -> None:
    assert load_plugins(FILE) == ("last-item",)
    method = METHODS.get("last-item")()
    model = method.learn(*build([[0, 1, 2], [0, 1, 3], [1, 2, 3]], 5))
    model.save(here)
    loaded = method.load(here)
    requests, items = make_requests([[0], [3, 1], []]), np.array([1, 2, 0])
    clicks = model.predict_click(requests, items)
    np.testing.assert_array_equal(clicks, loaded.predict_click(requests, items))
    assert clicks[0] > clicks[1] > clicks[2] == 0
    np.testing.assert_array_equal(
        model.recommend(requests, 3).items, loaded.recommend(requests, 3).items
    )
