"""Parts of semantic ids predict clicks on unseen items, if items of one code prefix are alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from ladder_records import CheckPlanted
from prefix_world import prefix_world, unseen_items

from p5rec.metrics.intervals import Difference, paired

BASE = {
    "kind": "dcnv2", "tune": {}, "embedding": 8, "hidden": (16,), "crosses": 1, "epochs": 15,
    "patience": 0, "batch": 256, "l2": 1.0, "learning_rate": 5e-3, "rows": 64,
}  # fmt: skip


def gain(folder: Path, item: str, *, planted: bool) -> Difference:
    """The AUC on unseen items minus that with hashed ids."""
    corpus = prefix_world(planted=planted)
    (own, users), (hashed, _) = (
        unseen_items(corpus, folder / each, **BASE, item=each) for each in (item, "hash")
    )
    (difference,) = paired(own, hashed, users, seed=0)
    return difference


@pytest.mark.ladder
@pytest.mark.system("semantic-id-features")
def test_parts_of_semantic_ids_beat_a_hash(tmp_path: Path, check_planted: CheckPlanted) -> None:
    planted, null = (gain(tmp_path / str(p), "ngrams", planted=p) for p in (True, False))
    claim = "if items of one code prefix share a click rate, n-grams of codes beat a hash of the id"
    check_planted(f"{claim}, on unseen items", "AUC", planted=planted, null=null)


@pytest.mark.ladder
@pytest.mark.system("semantic-id-features")
def test_learned_pieces_beat_a_hash(tmp_path: Path) -> None:
    assert gain(tmp_path, "pieces", planted=True).low > 0
