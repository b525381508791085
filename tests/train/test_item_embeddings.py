"""Items without training events keep a zero embedding throughout training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_runs import ITEMS, config, fit_on
from tiny_models import make_bundle, scratch, some_codes

from p5rec.models.config import ItemHeadConfig


def test_items_without_training_events_keep_zero_embeddings(tmp_path: Path) -> None:
    settings = config(steps=3, tasks={"next-item": {}})
    bundle = make_bundle(
        scratch(), some_codes(ITEMS, (6, 5)), std=0.0, item_head=ItemHeadConfig(init_std=0.04)
    )
    trained = torch.arange(ITEMS) % 5 != 2
    bundle.model.init_item_embeddings(trained)
    start = bundle.model.item_embeddings.detach().clone()
    assert float(start[trained].std()) == pytest.approx(0.04, rel=0.2)
    fit_on(bundle, settings, tmp_path)
    assert not bundle.model.item_embeddings[~trained].any()
    assert (bundle.model.item_embeddings != start)[trained].all()
