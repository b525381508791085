"""What validation chose, fitted to all events: the same weights as a training written by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tiny_models import scratch

from p5rec.core.artefacts import Artefact, Store
from p5rec.core.errors import UserError
from p5rec.data.config import DataConfig
from p5rec.data.prepare import load_corpus, prepare_data
from p5rec.ids.config import IdsConfig
from p5rec.methods.base import Method
from p5rec.methods.fitted import Fitted
from p5rec.methods.registry import METHODS
from p5rec.pipeline.fitting import RunContext, fit_method
from p5rec.pipeline.ids import build_ids
from p5rec.pipeline.prepared import Prepared
from p5rec.pipeline.production import SourceModel, refit

WORLD = {"kind": "markov", "users": 40, "items": 24, "events": 8}
DATA = DataConfig(source="synthetic", synthetic=WORLD, seed=3)
IDS = IdsConfig(levels=2, codebook="auto", vectors={"text": None, "cooccurrence": {"dim": 4}})
BACKBONE = {"kind": "scratch", **scratch(width=8, layers=1, feedforward=8).dump()}
TRAIN = {"precision": "float32", "warmup": 2, "seed": 1, "next_item": {"window": 8}}
NETWORK = {
    "kind": "generative", "backbone": BACKBONE, "item_head": {}, "decode": {"search": "item-head"},
    "train": {**TRAIN, "epochs": {"max_epochs": 6, "ema_epochs": 2, "patience": 2}},
}  # fmt: skip
STEPS = {"steps": 24, "evaluate_every": 3, "patience": 2, "batch": 8}
PARTS = {
    "network": NETWORK,
    "ease": {"kind": "item-to-item", "tune": {"l2": (1.0, 30.0), "half_life": (None, 2.0)}},
}
METHOD: dict[str, dict[str, Any]] = {
    "fusion": {"components": PARTS, "exclude_seen": True, "weights": {"ease": 0.5}},
    "generative": {**NETWORK, "train": {**TRAIN, **STEPS}},
    "sasrec": {"width": 8, "epochs": 9, "patience": 1, "tune": {"dropout": (0.0, 0.3)}},
    "bpr": {"factors": 4, "epochs": 9, "patience": 1, "tune": {"l2": (0.0, 0.01)}},
    "ease": {"tune": {"l2": (1.0, 30.0)}},
}


def prepared(data: DataConfig, root: Path) -> Prepared:
    store = Store(root, lambda _: None, 0)
    made = prepare_data(data, store, evaluable=False)
    return Prepared(load_corpus(made.path), made, store)


def fitted(method: Method, on: Prepared, first: int = 1) -> Fitted:
    """Under the second seed."""
    ids: dict[str, list[Artefact]] = {}
    if method.semantic_ids:
        ids[method.semantic_ids] = build_ids(IDS, {}, on, first=first)
    return fit_method(method, on, RunContext(ids), first=first)[0]


def weights(run: Fitted) -> dict[str, np.ndarray]:
    return {
        f"{file.relative_to(run.folder)} {name}": array
        for file in run.folder.rglob("*.safetensors")
        for name, array in load_file(file).items()
    }


def same(one: Fitted, other: Fitted) -> bool:
    a, b = weights(one), weights(other)
    assert a
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("kind", METHOD)
def test_a_refit_is_a_training_over_all_events_for_the_chosen_epochs(
    kind: str, tmp_path: Path
) -> None:
    method = METHODS.get(kind)(**METHOD[kind])
    first = fitted(method, prepared(DATA, tmp_path / "first"))
    chosen = SourceModel.of(first.folder, None, first.seed, DATA.seed)
    assert (chosen.nth, chosen.method.needs_validation) == (1 if method.stochastic else 0, False)
    # nothing is left to choose: over the same events it is the model that validation chose
    again = fitted(chosen.method, prepared(DATA, tmp_path / "again"), first=chosen.nth)
    assert same(again, first)
    assert again.method.as_chosen(again.folder) == chosen.method
    # and over all of them it is what anybody gets who writes these settings down
    everything = prepared(DATA.of_all_events(), tmp_path / "all")
    made = refit(chosen, everything, {})
    by_hand = METHODS.get(kind)(**chosen.method.dump())
    written = fitted(by_hand, prepared(DATA.of_all_events(), tmp_path / "hand"), first=chosen.nth)
    assert same(made.fitted, written)
    assert not same(made.fitted, first)
    events = everything.corpus.interactions.event_keys
    assert made.fitted.model_stage.lineage.contains(events).all()
    assert made.provenance.new_events == 2 * WORLD["users"]
    assert (made.provenance.made, made.provenance.new_users) == ("refit", 0)


def test_what_is_chosen_is_said_of_each_part(tmp_path: Path) -> None:
    method = METHODS.get("fusion")(**METHOD["fusion"])
    run = fitted(method, prepared(DATA, tmp_path))
    chosen = method.as_chosen(run.folder)
    told = chosen.fit_facts()
    assert told["ease"] == {"fitted": "anew"}
    assert 1 <= told["network"]["epochs"] <= 6
    assert chosen.weights["ease"] == 0.5
    epochs = chosen.methods["network"].train.epochs
    assert (epochs.max_epochs, epochs.stop_after) == (6, told["network"]["epochs"])


@pytest.mark.parametrize("kind", METHOD)
def test_nothing_is_chosen_where_nothing_is_held_out(kind: str, tmp_path: Path) -> None:
    method = METHODS.get(kind)(**METHOD[kind])
    with pytest.raises(UserError, match=r"^data.split: expected a rule that holds events out"):
        fitted(method, prepared(DATA.of_all_events(), tmp_path))


def test_a_method_must_begin_from_something_that_is_there(tmp_path: Path) -> None:
    on = prepared(DATA, tmp_path)
    run = fitted(METHODS.get("ease")(), on)
    lost = METHODS.get("sasrec")(start="another", tune={})
    with pytest.raises(UserError, match="refit: expected a method that begins from nothing"):
        refit(SourceModel(run.folder, lost, 0, None), on, {})


def test_codes_are_not_read_where_none_were_built(tmp_path: Path) -> None:
    chosen = SourceModel(tmp_path, METHODS.get("generative")(**METHOD["generative"]), 0, None)
    with pytest.raises(UserError, match="expected how the semantic ids were made, got nothing"):
        _ = chosen.ids
    assert replace(chosen, method=METHODS.get("ease")()).ids is None
