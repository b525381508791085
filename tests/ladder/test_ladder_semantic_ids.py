"""Semantic ids help a decoder that knows items by their codes alone, if items form groups."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_runs import difference

RECIPE = """
data: {source: synthetic, synthetic: {kind: KIND, users: 400, items: 64, events: 8}}
ids:
  semantic: {levels: 2, codebook: 16, vectors: {text: null, cooccurrence: {dim: 8}}}
  permuted: {like: semantic, permute: true}
baselines: []
methods:
  semantic:
    ids: semantic
    backbone:
      {kind: scratch, item_embeddings: false, width: 32, layers: 1, heads: 2, feedforward: 64,
       dropout: 0.0}
    train: {steps: 150, batch: 16, learning_rate: 0.01, warmup: 10, precision: float32}
    decode: {beams: 20}
  permuted: {like: semantic, ids: permuted}
evaluate: {k: 10, samples: 0, compare: [[semantic, permuted]]}
"""


@pytest.mark.ladder
@pytest.mark.system("semantic-ids")
def test_ids_of_groups_beat_permuted_ids(check_planted, tmp_path: Path) -> None:
    planted, null = (
        difference(RECIPE, kind, "HR@10", tmp_path / kind) for kind in ("shop", "null")
    )
    claim = "if users buy items of one group, semantic ids beat the same ids permuted"
    check_planted(claim, "HR@10", planted=planted, null=null)
