"""A language model reads genres and decades in the vectors of items that it was not trained on;
null: permuted vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ladder_records import CheckPlanted
from mean_intervals import paired_means
from point_world import elm, point_world, right_answers, save_vectors
from tiny_models import scratch

from p5rec.methods.folder import read_method
from p5rec.methods.systems.elm.method import Elm, ElmCommonest
from p5rec.metrics.intervals import Difference

FAMILIES = {"point-decade": 1.0, "point-values": 1.0}
SHARED = {
    "families": FAMILIES,
    "described": "point-decade",
    "prompts": {"templates": ["point-decade.decade", "point-values.values"]},
}
SETTINGS = {
    "backbone": scratch(width=64, layers=2, feedforward=128, items="tokens"),
    "adapter": {"tokens": 2, "hidden": 64},
    "train": {
        "steps": 300, "adapter_steps": 0, "batch": 16, "max_tokens": 128, "learning_rate": 5e-3,
        "warmup": 10, "precision": "float32",
    },
    "max_new_tokens": 14,
}  # fmt: skip


def answers(root: Path, *, permuted: bool) -> tuple[np.ndarray, np.ndarray]:
    """``(B,)`` each: 1 where the answer of ELM, and the commonest answer, is right."""
    corpus, vectors = point_world(items=300)
    texts = save_vectors(corpus, vectors, root / "texts")
    space = save_vectors(corpus, vectors, root / "space", permuted=permuted)
    right = []
    for method in (Elm(**SHARED, **SETTINGS), ElmCommonest(**SHARED)):
        folder = elm(method, corpus, space, texts, root / method.kind)
        model = read_method(folder).load(folder)
        right.append(np.concatenate([right_answers(model, corpus, name) for name in FAMILIES]))
    return right[0], right[1]


@pytest.mark.ladder
@pytest.mark.system("elm")
def test_genres_and_decades_are_read_from_vectors(
    tmp_path: Path, check_planted: CheckPlanted
) -> None:
    planted = answers(tmp_path / "planted", permuted=False)
    assert planted[0].mean() > 0.9
    null = answers(tmp_path / "null", permuted=True)

    def gain(own: np.ndarray, other: np.ndarray) -> Difference:
        return paired_means(own, other, np.arange(len(own)), seed=0)

    check_planted(
        "answers about the vectors of held-out items are right more often than the commonest one",
        "accuracy",
        planted=gain(*planted),
        null=gain(*null),
    )
