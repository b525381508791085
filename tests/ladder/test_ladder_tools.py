"""A planted fact decides the answer: the model reads what the tool finds, whether true or false.

Every item has one event, so nothing else tells its rating: a test item is in no training event.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from commands import enter, output_of

from p5rec.metrics.intervals import Interval, bootstrap, mean_of

USERS, EACH = 200, 8
LOW, HIGH = 1, 5
FAMILY = """
family: FAMILY
task: rating
description: a rating after a fact
target_type: rating
fields: {FIELDS, rating: number}
few_shot: {example: "{source}{target}"}
templates:
  - {id: short, version: 1, source: "{examples}SOURCE", target: "{rating}"}
"""
RECIPE = """
data:
  source: table
  path: log.csv
  items: {path: items.csv}
ids:
  semantic: {scheme: random, levels: 2, codebook: 64}
baselines: []
methods:
  tool:
    backbone: {kind: scratch, width: 32, layers: 2, heads: 2, feedforward: 64, dropout: 0.0}
    prompts: {folders: [prompts], knowledge: facts.csv}
    heads: {regression: null, classification: null}
    train:
      tasks: {with-fact: {share: 1}}
      steps: 180
      batch: 16
      learning_rate: 0.003
      warmup: 10
      precision: float32
  none:
    like: tool
    prompts: {knowledge: null}
    train: {tasks: {with-fact: null, without-fact: {share: 1}}}
evaluate:
  lists: false
  prompts: {with-fact: all, without-fact: all}
  samples: 0
"""


def world(folder: Path, *, true: bool) -> None:
    """Writes the log of ``folder``, its facts, true or drawn anew, and the prompts."""
    rng = np.random.default_rng(0)
    n = USERS * EACH
    ratings = rng.choice([LOW, HIGH], n)
    told = ratings if true else rng.choice([LOW, HIGH], n)
    titles = [f"thing {1000 + row}" for row in range(n)]
    log = pl.DataFrame(
        {
            "user": [f"u{row // EACH}" for row in range(n)],
            "item": [f"i{row}" for row in range(n)],
            "time": [row % EACH for row in range(n)],
            "rating": ratings,
        }
    )
    log.write_csv(folder / "log.csv")
    pl.DataFrame({"item": log["item"], "title": titles}).write_csv(folder / "items.csv")
    pl.DataFrame(
        {"fact": [f"{title} gets {word}" for title, word in zip(titles, told, strict=True)]}
    ).write_csv(folder / "facts.csv")
    for name, field in (("with-fact", "fact: text"), ("without-fact", "title: title")):
        text = FAMILY.replace("FAMILY", name).replace("FIELDS", field)
        source = f"{{{field.partition(':')[0]}}}"
        (folder / "prompts").mkdir(exist_ok=True)
        (folder / "prompts" / f"{name}.yaml").write_text(text.replace("SOURCE", source))


def accuracy(folder: str, method: str, *, flipped: bool = False) -> Interval:
    """The share of test events whose rating is predicted on the right side of the middle; if
    ``flipped``, on the side of a fact that was turned into its opposite."""
    table = pl.read_parquet(Path(folder, "per_user.parquet"))
    own = table.filter(pl.col("method").str.starts_with(method), pl.col("split") == "test")
    middle = (LOW + HIGH) / 2
    agree = (own["prediction"].to_numpy() > middle) == (own["rating"].to_numpy() > middle)
    assert len(agree) == USERS
    return bootstrap(mean_of((agree != flipped).astype(float)), np.arange(USERS), seed=0)[0]


def with_opposite_facts(model: Path) -> Path:
    """A copy of a model's folder whose facts say the opposite."""
    wrong = model.with_name("wrong")
    shutil.copytree(model, wrong)
    path = wrong / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["settings"]["facts"] = [
        f"{words} {LOW + HIGH - int(rating)}"
        for words, _, rating in (fact.rpartition(" ") for fact in manifest["settings"]["facts"])
    ]
    path.unlink()
    path.write_text(json.dumps(manifest))
    return wrong


def ran(folder: Path, patch: pytest.MonkeyPatch, *, true: bool) -> None:
    """A run of the recipe in ``folder``, the working directory from then on."""
    folder.mkdir()
    enter(folder, RECIPE, patch)
    world(folder, true=true)
    output_of("run", "my.yaml")


@pytest.mark.ladder
def test_a_planted_fact_decides_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(tmp_path / "planted", monkeypatch, true=True)
    assert accuracy("runs/my", "tool").low > 0.9
    without = accuracy("runs/my", "none")
    assert without.low < 0.5 < without.high
    wrong = with_opposite_facts(Path("runs/my/models/tool"))
    output_of("evaluate", "--model", str(wrong), "--out", "opposite")
    assert accuracy("opposite", "wrong", flipped=True).low > 0.9


@pytest.mark.ladder
def test_facts_that_say_nothing_do_not_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(tmp_path / "null", monkeypatch, true=False)
    null = accuracy("runs/my", "tool")
    assert null.low < 0.5 < null.high
