"""Click models from Python: fitted, saved, loaded; probabilities of pairs and of candidates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_shop import shop

import p5rec

KINDS: dict[str, dict[str, Any]] = {
    "LogisticRegression": {"epochs": 2},
    "DcnV2": {"epochs": 2, "embedding": 4},
    "Din": {"epochs": 2, "embedding": 4, "history": 5},
    "BoostedTrees": {"trees": 5, "leaf_instances": 5},
}


@pytest.mark.parametrize("name", KINDS)
def test_a_loaded_model_predicts_and_ranks_candidates(name: str, tmp_path: Path) -> None:
    data = shop(label={"rating_at_least": 4})
    train = data.split("user-time")
    model = getattr(p5rec, name)(tune={}, **KINDS[name]).fit(train, verbose=False)
    model.save(tmp_path / "model")
    loaded = p5rec.load(tmp_path / "model", train)
    pairs = pl.DataFrame({"user": ["u1", "u2", "u2"], "item": ["A-3", "A-3", "A-23"]})
    clicks = loaded.predict_click(pairs)
    assert clicks.equals(model.predict_click(pairs))
    assert clicks["click"].is_between(0, 1).all()
    lists = loaded.recommend(
        users=["u2"], candidates=["A-23", "A-3"], k=5, exclude_seen=False
    ).join(pairs.filter(user="u2").join(clicks, on=["user", "item"]), on=["user", "item"])
    assert lists.height == 2
    assert (lists["score"] - lists["click"]).abs().max() < 1e-6
    alone = p5rec.load(tmp_path / "model").recommend(histories={"new": ["A-1"], "none": []}, k=3)
    assert alone.group_by("user").len()["len"].to_list() == [3, 3]
