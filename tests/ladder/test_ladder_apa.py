"""APA weighs adapters by their errors on similar validation examples, where shards differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fits import Fits
from ladder_records import CheckPlanted
from opposite_world import opposite_world, save_word_model

from p5rec.core.item_codes import ItemCodes
from p5rec.core.types import Corpus
from p5rec.data.click_instances import click_instances
from p5rec.methods.registry import METHODS
from p5rec.metrics.area import area
from p5rec.metrics.intervals import Difference, paired

SETTINGS: dict[str, Any] = {
    "kind": "apa", "shards": 2, "partition": "semantic", "similarity": "tokens", "tune": {},
    "prompt": {"history": 8, "system": "", "text": "liked {liked} disliked {disliked} : {title} ?"},
    "train": {"epochs": 2, "batch": 32, "learning_rate": 0.02}, "validation": 300,
}  # fmt: skip


@pytest.mark.ladder
@pytest.mark.system("apa")
def test_adaptive_weights_beat_equal_ones(tmp_path: Path, check_planted: CheckPlanted) -> None:
    torch.manual_seed(0)
    save_word_model(tmp_path / "model")
    planted, null = (
        difference(opposite_world(users=240, opposite=each), tmp_path / str(each), tmp_path)
        for each in (True, False)
    )
    check_planted(
        "adaptive weights beat equal ones, where users of two shards have opposite tastes",
        "AUC",
        planted=planted,
        null=null,
    )


def difference(corpus: Corpus, store: Path, root: Path) -> Difference:
    """The AUC of adaptive weights minus that of equal ones, with the same adapters."""
    rows = np.arange(len(corpus.catalog))
    fits = Fits.of(corpus, ItemCodes(rows[:, None], (len(rows),), "plain"), store)
    test = click_instances(corpus, "test", 0)
    positive = test.labels > 0
    backbone = {"name": str(root / "model"), "lora": {"rank": 4}}
    areas = []
    for weights in ("adaptive", "uniform"):
        method = METHODS.get("apa")(**SETTINGS, backbone=backbone, weights=weights)
        fit = fits.fit(method)
        clicks = fit.method.load(fit.folder).predict_click(test.histories, test.items)
        print(weights, float(area(clicks, positive)(np.ones((1, len(positive))))[0, 0]))
        areas.append(area(clicks, positive))
    return paired(*areas, test.users, seed=0)[0]
