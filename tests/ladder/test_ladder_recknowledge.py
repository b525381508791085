"""Auxiliary tasks help the sequential task, if neighbours in a history belong together.

Prompts are short, so that a small network learns to read them in a few steps.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_runs import difference

FAMILY = """
family: {name}
task: {task}
description: short prompts
target_type: {kind}
fields: {fields}
few_shot: {{example: "{{source}}{{target}}"}}
templates:
  - {{id: short, version: 1, source: "{{examples}}{source}", target: "{target}"}}
"""
# name → task, target type, fields, source and target
FAMILIES = {
    "next": ("sequential-next", "item", "{history: items, target: item}",
             "{history} >", "{target}"),
    "gap": ("masked-items", "item", "{masked: items, target: item}",
            "{masked} ?", "{target}"),
    "words": ("masked-words", "text", "{masked_text: text, masked_words: text}",
              "{masked_text}", "{masked_words}"),
    "pair": ("preference", "options", "{others: items, candidates: items, target: item}",
             "{others} : {candidates}", "{target}"),
}  # fmt: skip
RECIPE = """
repeats: 2
data: {source: synthetic, synthetic: {kind: KIND, users: 200, items: 30, events: 8}}
ids:
  semantic: {levels: 2, codebook: 6, vectors: {text: null, cooccurrence: {dim: 8, window: 2}}}
baselines: []
methods:
  auxiliary:
    backbone: {kind: scratch, width: 32, layers: 2, heads: 2, feedforward: 64, dropout: 0.0}
    prompts: {max_history: 2, folders: [FOLDER]}
    train:
      tasks: {next: {share: 1}, gap: {share: 1}, words: {share: 0.2}, pair: {share: 0.2}}
      steps: 200
      batch: 16
      learning_rate: 0.02
      warmup: 10
      precision: float32
    decode: {beams: 20}
  permuted: {like: auxiliary, train: {permute_targets: [gap, words, pair]}}
evaluate:
  k: 10
  lists: false
  prompts: {next: 200}
  samples: 0
  compare: [[auxiliary, permuted]]
"""


def recipe(folder: Path) -> str:
    """The config, and its prompt files in ``folder``."""
    folder.mkdir()
    for name, (task, kind, fields, source, target) in FAMILIES.items():
        text = FAMILY.format(
            name=name, task=task, kind=kind, fields=fields, source=source, target=target
        )
        (folder / f"{name}.yaml").write_text(text)
    return RECIPE.replace("FOLDER", str(folder))


@pytest.mark.ladder
@pytest.mark.system("recknowledge")
def test_auxiliary_tasks_beat_permuted_auxiliary_tasks(check_planted, tmp_path: Path) -> None:
    text = recipe(tmp_path / "prompts")
    planted, null = (
        difference(text, kind, "HR@10", tmp_path / kind) for kind in ("markov", "null")
    )
    claim = (
        "if an item has a likely successor, auxiliary tasks make better predictions of next items "
        "than auxiliary tasks with permuted answers"
    )
    check_planted(claim, "HR@10", planted=planted, null=null)
