"""A recipe whose click model reads semantic ids: evaluated without lists, then refitted."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import enter, output_of, report

RECIPE = """
data:
  source: synthetic
  split: user-time
  label: {rating_at_least: 4}
  synthetic: {kind: markov, users: 60, items: 20, events: 10}
ids:
  semantic: {levels: 2, codebook: 6, vectors: {text: null, cooccurrence: {dim: 4}}}
baselines: []
methods:
  ngrams: {kind: fm, item: ngrams, rows: 16, epochs: 2, patience: 0, tune: {}}
evaluate: {lists: false, samples: 0, prompts: {click: all}}
"""


def test_click_models_read_the_ids_of_a_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(tmp_path, RECIPE, monkeypatch)
    output_of("run", "my.yaml")
    assert {method["task"] for method in report("runs/my")["methods"]} == {"click"}
    assert not Path("runs/my/lists").exists()
    assert Path("runs/my/models/ngrams/codes/ids.json").is_file()
    output_of("refit", "runs/my/models/ngrams", "--out", "again")
    assert Path("again/codes/ids.json").is_file()
