"""A language model learns to list the candidates of a user's topic first; null: users without a
topic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ladder_records import CheckPlanted
from list_world import list_world, palr
from mean_intervals import paired_means
from tiny_models import scratch

from p5rec.data.split import instances
from p5rec.methods.folder import read_method
from p5rec.methods.systems.palr.predictor import load
from p5rec.metrics.intervals import Difference
from p5rec.metrics.ranking import per_user

K = 12
SETTINGS = {
    "candidates": K, "length": 6, "weight": 0, "choosing": 0.9,
    "backbone": scratch(width=32, layers=2), "prompts": {"max_history": 4},
    "train": {"steps": 120, "batch": 16, "max_tokens": 400, "learning_rate": 5e-3},
}  # fmt: skip


def gain(root: Path, *, planted: bool) -> Difference:
    """NDCG of the order of the language model minus that of a random order of the same items."""
    corpus = list_world(planted=planted, users=250)
    folder = palr(corpus, root, **SETTINGS)
    histories, targets, _ = instances(corpus.interactions, corpus.split, "test")
    values = []
    for order in ("model", "random"):
        model = load(read_method(folder).model_copy(update={"order": order}), folder)
        items = model.recommend(histories, K).items
        values.append(per_user(items, targets, (K,))[f"NDCG@{K}"])
    return paired_means(*values, np.arange(len(histories)), seed=0)


@pytest.mark.ladder
@pytest.mark.system("palr")
def test_the_model_lists_candidates_of_the_users_topic_first(
    tmp_path: Path, check_planted: CheckPlanted
) -> None:
    check_planted(
        "the language model lists the retriever's candidates in a better order than a random one",
        f"NDCG@{K}",
        planted=gain(tmp_path / "planted", planted=True),
        null=gain(tmp_path / "null", planted=False),
    )
