"""Prompts about the next item are learned, if an item has a likely successor."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_runs import difference

RECIPE = """
data: {source: synthetic, synthetic: {kind: KIND, users: 200, items: 30, events: 8}}
ids:
  semantic: {levels: 2, codebook: 6, vectors: {text: null, cooccurrence: {dim: 8, window: 2}}}
baselines: []
methods:
  prompts:
    backbone: {kind: scratch, width: 32, layers: 2, heads: 2, feedforward: 64, dropout: 0.0}
    prompts: {max_history: 3}
    train:
      tasks: {sequential-next: {}}
      steps: 150
      batch: 16
      learning_rate: 0.01
      warmup: 10
      precision: float32
    decode: {beams: 20}
  permuted: {like: prompts, train: {permute_targets: true}}
evaluate:
  k: 10
  prompts: {sequential-next: 200}
  samples: 0
  compare: [[prompts, permuted]]
"""


@pytest.mark.ladder
@pytest.mark.system("p5")
def test_prompts_beat_prompts_with_permuted_targets(check_planted, tmp_path: Path) -> None:
    planted, null = (
        difference(RECIPE, kind, "HR@10", tmp_path / kind) for kind in ("markov", "null")
    )
    claim = "if an item has a likely successor, a model of prompts beats permuted targets"
    check_planted(claim, "HR@10", planted=planted, null=null)
