"""A refit to all events has the same weights as a training with the selected settings."""

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
from p5rec.pipeline.fitting import fit_method
from p5rec.pipeline.ids import build_ids
from p5rec.pipeline.method_runs import RunContext
from p5rec.pipeline.prepared import Prepared
from p5rec.pipeline.production import SourceModel, refit

SYNTHETIC = {"kind": "markov", "users": 40, "items": 24, "events": 8}
DATA = DataConfig(source="synthetic", synthetic=SYNTHETIC, seed=3)
IDS = IdsConfig(levels=2, codebook="auto", vectors={"text": None, "cooccurrence": {"dim": 4}})
BACKBONE = {"kind": "scratch", **scratch(width=8, layers=1, feedforward=8).dump()}
TRAIN = {"precision": "float32", "warmup": 2, "seed": 1, "next_item": {"window": 8}}
NETWORK = {
    "kind": "generative", "backbone": BACKBONE, "item_head": {}, "decode": {"search": "item-head"},
    "train": {**TRAIN, "epochs": {"max_epochs": 6, "ema_epochs": 2, "patience": 2}},
}  # fmt: skip
STEPS = {"steps": 24, "evaluate_every": 3, "patience": 2, "batch": 8}
COMPONENTS = {
    "network": NETWORK,
    "ease": {"kind": "item-to-item", "tune": {"l2": (1.0, 30.0), "half_life": (None, 2.0)}},
}
METHOD: dict[str, dict[str, Any]] = {
    "fusion": {"components": COMPONENTS, "exclude_seen": True, "weights": {"ease": 0.5}},
    "generative": {**NETWORK, "train": {**TRAIN, **STEPS}},
    "sasrec": {"width": 8, "epochs": 9, "patience": 1, "tune": {"dropout": (0.0, 0.3)}},
    "bpr": {"factors": 4, "epochs": 9, "patience": 1, "tune": {"l2": (0.0, 0.01)}},
    "ease": {"tune": {"l2": (1.0, 30.0)}},
}


def prepared(data: DataConfig, root: Path) -> Prepared:
    store = Store(root, lambda _: None, 0)
    renewed = prepare_data(data, store, evaluable=False)
    return Prepared(load_corpus(renewed.path), renewed, store)


def fitted(method: Method, on: Prepared, first: int = 1) -> Fitted:
    """A fit under the second seed."""
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
def test_a_refit_trains_on_all_events_for_the_selected_epochs(kind: str, tmp_path: Path) -> None:
    method = METHODS.get(kind)(**METHOD[kind])
    first = fitted(method, prepared(DATA, tmp_path / "first"))
    chosen = SourceModel.of(first.folder, None, first.seed, DATA.seed)
    assert (chosen.nth, chosen.method.needs_validation) == (1 if method.stochastic else 0, False)
    # with the selected settings, the same events give the same model
    again = fitted(chosen.method, prepared(DATA, tmp_path / "again"), first=chosen.nth)
    assert same(again, first)
    assert again.method.as_chosen(again.folder) == chosen.method
    # with all events, it equals a fit of a config with these settings
    everything = prepared(DATA.of_all_events(), tmp_path / "all")
    renewed = refit(chosen, everything, {})
    by_hand = METHODS.get(kind)(**chosen.method.dump())
    written = fitted(by_hand, prepared(DATA.of_all_events(), tmp_path / "hand"), first=chosen.nth)
    assert same(renewed.fitted, written)
    assert not same(renewed.fitted, first)
    events = everything.corpus.interactions.event_keys
    assert renewed.fitted.model_stage.lineage.contains(events).all()
    assert renewed.provenance.new_events == 2 * SYNTHETIC["users"]
    assert (renewed.provenance.operation, renewed.provenance.new_users) == ("refit", 0)


def test_fit_facts_cover_each_component(tmp_path: Path) -> None:
    method = METHODS.get("fusion")(**METHOD["fusion"])
    run = fitted(method, prepared(DATA, tmp_path))
    chosen = method.as_chosen(run.folder)
    facts = chosen.fit_facts()
    assert facts["ease"] == {"fitted": "anew"}
    assert 1 <= facts["network"]["epochs"] <= 6
    assert chosen.weights["ease"] == 0.5
    epochs = chosen.methods["network"].train.epochs
    assert (epochs.max_epochs, epochs.stop_after) == (6, facts["network"]["epochs"])


@pytest.mark.parametrize("kind", METHOD)
def test_settings_are_not_selected_without_validation_events(kind: str, tmp_path: Path) -> None:
    method = METHODS.get(kind)(**METHOD[kind])
    with pytest.raises(UserError, match=r"^data.split: expected a rule with validation events"):
        fitted(method, prepared(DATA.of_all_events(), tmp_path))


def test_a_missing_start_is_refused(tmp_path: Path) -> None:
    on = prepared(DATA, tmp_path)
    run = fitted(METHODS.get("ease")(), on)
    lost = METHODS.get("sasrec")(start="another", tune={})
    with pytest.raises(UserError, match="refit: expected a method without start"):
        refit(SourceModel(run.folder, lost, 0, None), on, {})


def test_missing_codes_are_refused(tmp_path: Path) -> None:
    chosen = SourceModel(tmp_path, METHODS.get("generative")(**METHOD["generative"]), 0, None)
    with pytest.raises(UserError, match="expected the config of the semantic ids, got nothing"):
        _ = chosen.ids
    assert replace(chosen, method=METHODS.get("ease")()).ids is None
