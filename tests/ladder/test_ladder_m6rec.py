"""M6-Rec finds that a word in an item's title decides the click, for items without events, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ladder_records import CheckPlanted
from topic_world import fitted, save_word_decoder, topic_world

from p5rec.core.types import Corpus
from p5rec.data.click_instances import ClickInstances, click_instances
from p5rec.methods.registry import METHODS
from p5rec.metrics.area import area, auc
from p5rec.metrics.intervals import Difference, paired

SETTINGS: dict[str, Any] = {
    "kind": "m6-rec", "cached_layers": 1, "tuning": "full", "history": 2, "soft_prompts": 4,
    "rows": 4000, "batch": 64, "epochs": 6, "patience": 3, "learning_rate": 2e-3, "tune": {},
    "texts": {"user": "user", "item": " item {title}"},
}  # fmt: skip


@pytest.mark.ladder
@pytest.mark.system("m6-rec")
def test_texts_tell_what_users_like(tmp_path: Path, check_planted: CheckPlanted) -> None:
    torch.manual_seed(0)
    save_word_decoder(tmp_path / "decoder")
    planted, null = (topic_world(planted=each) for each in (True, False))
    test = click_instances(planted, "test", 0)
    own, others = _both(planted, tmp_path, test)
    log = planted.interactions
    known = np.bincount(log.items[planted.split.mask("train")], minlength=log.n_items) > 0
    unseen = ~known[test.items]
    assert auc(own[unseen], test.labels[unseen] > 0)[0] > 0.6  # chance is 0.5
    held_out = click_instances(null, "test", 0)
    check_planted(
        "late interaction over an item's own text beats that over another item's",
        "AUC",
        planted=_difference(test, own, others),
        null=_difference(held_out, *_both(null, tmp_path, held_out)),
    )


def _difference(test: ClickInstances, one: np.ndarray, other: np.ndarray) -> Difference:
    positive = test.labels > 0
    return paired(area(one, positive), area(other, positive), test.users, seed=0)[0]


def _both(corpus: Corpus, root: Path, test: ClickInstances) -> tuple[np.ndarray, np.ndarray]:
    """The clicks that are predicted with the items' own texts, and with those of others."""
    own, others = (_clicks(corpus, root, test, permuted=each) for each in (False, True))
    return own, others


def _clicks(corpus: Corpus, root: Path, test: ClickInstances, *, permuted: bool) -> np.ndarray:
    backbone = {"name": str(root / "decoder"), "lora": None}
    given = {**SETTINGS, "backbone": backbone, "permuted": permuted}
    model = METHODS.get("m6-rec")(**given).load(fitted(given, corpus, root))
    clicks: np.ndarray = model.predict_click(test.histories, test.items)
    return clicks
