"""A language model learns from outcomes which questions tell items apart; null: none does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dialogue_world import dialogue_world, fitted, opened
from ladder_records import CheckPlanted
from mean_intervals import paired_means
from tiny_models import scratch

from p5rec.methods.systems.recllm.method import Recllm
from p5rec.metrics.intervals import Difference

METHOD = Recllm(
    ranker={"kind": "popularity", "tune": {}},
    backbone=scratch(width=64, layers=2, feedforward=128, items="tokens"),
    prompts={"templates": ["dialogue.without-memory"], "list_length": 3},
    listed=3,
    memory="none",
    phrasings="training",
    together=64,
    train={
        "steps": 200, "batch": 16, "max_tokens": 128, "learning_rate": 5e-3, "warmup": 10,
        "precision": "float32",
    },
)  # fmt: skip


def successes(root: Path, *rules: str, null: bool) -> dict[str, np.ndarray]:
    """Manager → ``(B,)`` 1 where the target is recommended within five turns."""
    corpus = dialogue_world(null=null)
    fitted(METHOD, corpus, root)
    found = {}
    for rule in rules:
        predictor = opened(METHOD.model_copy(update={"manager": rule}), corpus, root)
        turns = np.array(predictor.episodes(corpus, "test", "all", 0).turns)
        found[rule] = (turns > 0).astype(np.float64)
    return found


@pytest.mark.ladder
@pytest.mark.system("recllm")
def test_questions_that_tell_items_apart_are_learned(
    tmp_path: Path, check_planted: CheckPlanted
) -> None:
    planted = successes(tmp_path / "planted", "model", "recommend", "information", null=False)
    assert planted["model"].mean() >= 0.8 * planted["information"].mean()
    null = successes(tmp_path / "null", "model", "recommend", null=True)

    def gain(own: dict[str, np.ndarray]) -> Difference:
        users = np.arange(len(own["model"]))
        return paired_means(own["model"], own["recommend"], users, seed=0)

    check_planted(
        "the language model asks what tells items apart and finds more targets within five turns "
        "than recommendations without questions",
        "success@5",
        planted=gain(planted),
        null=gain(null),
    )
