"""KAR uses topics that only the vectors of texts show; null: the vectors show other topics."""

from __future__ import annotations

from pathlib import Path

import pytest
from knowledge_world import fitted, held_out, knowledge_world
from ladder_records import CheckPlanted

from p5rec.methods.systems.kar.method import Kar
from p5rec.metrics.area import area
from p5rec.metrics.intervals import Difference, paired

BASE = {
    "kind": "dcnv2", "tune": {}, "embedding": 8, "hidden": (16,), "crosses": 1, "epochs": 30,
    "patience": 0, "batch": 256, "l2": 1.0, "learning_rate": 5e-3,
}  # fmt: skip


def gain(root: Path, *, known: bool) -> Difference:
    """The AUC with the vectors minus that with permuted ones."""
    world = knowledge_world()
    world.save_vectors(root / "vectors", known=known)
    test, areas = held_out(world.corpus), []
    for suffix in ("", " permuted"):
        method = Kar(base=BASE, hidden=(16, 8), dedicated=2)
        folder = root / f"model{suffix}"
        model = fitted(method, world.corpus, root / "vectors", folder, suffix)
        clicks = model.predict_click(test.histories, test.items)
        areas.append(area(clicks, test.labels > 0))
    (difference,) = paired(*areas, test.users, seed=0)
    return difference


@pytest.mark.xfail(reason="the null data show a gain: +.098 [.029, .164]", strict=True)
@pytest.mark.ladder
@pytest.mark.system("kar")
def test_knowledge_of_topics_beats_permuted_knowledge(
    tmp_path: Path, check_planted: CheckPlanted
) -> None:
    check_planted(
        "a click model with vectors that show the topics of users and items predicts better than "
        "with permuted vectors",
        "AUC",
        planted=gain(tmp_path / "planted", known=True),
        null=gain(tmp_path / "null", known=False),
    )
