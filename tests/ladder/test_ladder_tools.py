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

import p5rec
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
  - {id: short, version: 1, source: "{examples}SOURCE >", target: "{rating}"}
"""
RECIPE = """
data:
  source: table
  path: log.csv
  items: {path: items.csv}
ids:
  semantic: {levels: 1, codebook: 4, vectors: {text: null, cooccurrence: {dim: 4}}}
baselines: []
methods:
  tool:
    backbone: {kind: scratch, width: 32, layers: 2, heads: 2, feedforward: 64, dropout: 0.0}
    prompts: {folders: [prompts], knowledge: facts.csv}
    heads: {regression: false, classification: false}
    train:
      tasks: {with-fact: {share: 1}}
      steps: 400
      batch: 16
      learning_rate: 0.01
      warmup: 10
      precision: float32
  none:
    like: tool
    prompts: {knowledge: null}
    train: {tasks: {with-fact: null, without-fact: {share: 1}}}
evaluate:
  lists: false
  prompts: {}
  samples: 0
"""


def world(folder: Path, *, true: bool) -> pl.DataFrame:
    """The log of ``folder``, its facts, true or drawn anew, and the prompts."""
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
    return log


def accuracy(model: Path, data: p5rec.Dataset, *, flipped: bool = False) -> Interval:
    """The share of test events whose rating is on the right side of the middle; if ``flipped``, of
    those that follow a fact turned into its opposite."""
    if flipped:
        wrong = model.with_name("wrong")
        shutil.copytree(model, wrong)
        path = wrong / "manifest.json"
        manifest = json.loads(path.read_text())
        facts = manifest["settings"]["facts"]
        manifest["settings"]["facts"] = [
            f"{fact.rpartition(' ')[0]} {LOW + HIGH - int(fact.rpartition(' ')[2])}"
            for fact in facts
        ]
        path.unlink()
        path.write_text(json.dumps(manifest))
        model = wrong
    test = data.test
    predicted = p5rec.load(model, data).predict_rating(test.select("user", "item"))
    high = predicted["rating"].to_numpy() > (LOW + HIGH) / 2
    right = (high == (test["rating"].to_numpy() == HIGH)) != flipped
    return bootstrap(mean_of(right.astype(float)), np.arange(len(right)), seed=0)[0]


def fitted(folder: Path, patch: pytest.MonkeyPatch, *, true: bool) -> p5rec.Dataset:
    folder.mkdir()
    enter(folder, RECIPE, patch)
    world(folder, true=true)
    output_of("run", "my.yaml")
    return p5rec.Dataset.from_config("my.yaml").split("leave-one-out")


@pytest.mark.ladder
def test_a_planted_fact_decides_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = fitted(tmp_path / "planted", monkeypatch, true=True)
    models = Path("runs/my/models")
    assert accuracy(models / "tool", data).low > 0.9
    without = accuracy(models / "none", data)
    assert without.low < 0.5 < without.high
    assert accuracy(models / "tool", data, flipped=True).low > 0.9


@pytest.mark.ladder
def test_facts_that_say_nothing_do_not_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = fitted(tmp_path / "null", monkeypatch, true=False)
    null = accuracy(Path("runs/my/models/tool"), data)
    assert null.low < 0.5 < null.high
