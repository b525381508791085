"""Items that are not taught are known by their codes alone, to the end of a training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_runs import ITEMS, config, fit_rows
from tiny_models import make_bundle, scratch, some_codes

from p5rec.models.config import ItemHeadConfig


def test_items_that_are_not_taught_have_no_rows_of_their_own(tmp_path: Path) -> None:
    settings = config(steps=3, tasks={"next-item": {}})
    bundle = make_bundle(
        scratch(), some_codes(ITEMS, (6, 5)), spread=0.0, item_head=ItemHeadConfig(init_std=0.04)
    )
    taught = torch.arange(ITEMS) % 5 != 2
    bundle.model.init_item_embeddings(taught)
    start = bundle.model.item_embeddings.detach().clone()
    assert float(start[taught].std()) == pytest.approx(0.04, rel=0.2)
    fit_rows(bundle, settings, tmp_path)
    assert not bundle.model.item_embeddings[~taught].any()
    assert (bundle.model.item_embeddings != start)[taught].all()
