"""A rating head uses the user's own ratings, if users and items have effects on ratings."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_runs import difference

RECIPE = """
data:
  source: synthetic
  split: user-time
  synthetic: {kind: KIND, users: 240, items: 40, events: 12}
ids:
  semantic: {levels: 2, codebook: 8, vectors: {text: null, cooccurrence: {dim: 8}}}
baselines: []
methods:
  regression:
    backbone: {kind: scratch, width: 32, layers: 1, heads: 2, feedforward: 64, dropout: 0.0}
    heads: {regression: mse, classification: null, words: false}
    train:
      tasks: {rating-sequence: {}}
      steps: 150
      batch: 16
      learning_rate: 0.01
      warmup: 10
      precision: float32
  permuted: {like: regression, permute_histories: true}
evaluate:
  prompts: {rating-sequence: 240}
  samples: 0
  compare: [[regression (regression), permuted (regression)]]
"""


@pytest.mark.ladder
@pytest.mark.system("rating-study")
def test_own_histories_beat_permuted_ones(check_planted, tmp_path: Path) -> None:
    planted, null = (
        difference(RECIPE, kind, "RMSE", tmp_path / kind) for kind in ("markov", "null")
    )
    claim = "if ratings depend on the user, a regression head needs the user's own history"
    check_planted(claim, "RMSE", planted=planted, null=null)
