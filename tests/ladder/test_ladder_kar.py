"""KAR uses topics that only the vectors of texts show; null: the vectors show other topics.

The null vectors of one log agree with the true topics, or contradict them, by chance; an interval
over the users of this log does not cover the chance. So each gain is the mean over several
logs, each with its own topics, vectors and permutation, and its interval is one over logs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from knowledge_world import fitted, held_out, knowledge_world
from ladder_records import CheckPlanted
from scipy.special import stdtrit

from p5rec.methods.systems.kar.method import Kar
from p5rec.metrics.area import auc
from p5rec.metrics.intervals import Interval

LOGS = 8
BASE = {
    "kind": "dcnv2", "tune": {}, "embedding": 8, "hidden": (16,), "crosses": 1, "batch": 128,
    "l2": 30.0, "learning_rate": 2e-2,
}  # fmt: skip


def gain(root: Path, seed: int, *, known: bool) -> float:
    """The AUC with the vectors minus that with permuted ones, in one log."""
    world = knowledge_world(200, 300, 12, tested=3, seed=seed)
    world.save_vectors(root / "vectors", known=known)
    test, areas = held_out(world.corpus), []
    for suffix in ("", " permuted"):
        method = Kar(base=BASE, hidden=(16, 8), dedicated=2)
        folder = root / f"model{suffix}"
        model = fitted(method, world.corpus, root / "vectors", folder, suffix)
        areas.append(auc(model.predict_click(test.histories, test.items), test.labels > 0)[0])
    return float(areas[0] - areas[1])


def mean_gain(root: Path, *, known: bool) -> Interval:
    """The mean gain over logs with Student's interval."""
    gains = [gain(root / str(seed), seed, known=known) for seed in range(LOGS)]
    half = stdtrit(LOGS - 1, 0.975) * np.std(gains, ddof=1) / LOGS**0.5
    return Interval(*(float(np.mean(gains) + side * half) for side in (0, -1, 1)))


@pytest.mark.ladder
@pytest.mark.system("kar")
def test_knowledge_of_topics_beats_permuted_knowledge(
    tmp_path: Path, check_planted: CheckPlanted
) -> None:
    check_planted(
        "a click model with vectors that show the topics of users and items predicts better than "
        "with permuted vectors",
        "AUC",
        planted=mean_gain(tmp_path / "planted", known=True),
        null=mean_gain(tmp_path / "null", known=False),
    )
