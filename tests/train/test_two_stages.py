"""Pretraining on public data, then training on own data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fits import Fits
from test_synthetic_training import IDS, SETTINGS, corpus_of, gain
from tiny_models import scratch

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import UserError
from p5rec.core.item_codes import ItemCodes
from p5rec.core.types import Corpus, RankedLists
from p5rec.data.split import instances
from p5rec.ids.base import fit
from p5rec.methods.checks import in_order
from p5rec.methods.fitted import Fitted
from p5rec.methods.generative.method import Generative
from p5rec.models.checkpoint import load_bundle, network_hash
from p5rec.recommend.generative import GenerativeRecommender
from p5rec.train.training import train


def method(steps: int, **changes: Any) -> Generative:
    settings = SETTINGS.train.model_copy(update={"steps": steps})
    return SETTINGS.model_copy(update={"train": settings, **changes})


def lists(corpus: Corpus, folder: Path) -> RankedLists:
    histories, _, _ = instances(corpus.interactions, corpus.split, "test")
    bundle = load_bundle(folder).ready()
    return GenerativeRecommender(bundle, SETTINGS.decode).recommend(histories, 5)


@pytest.mark.nightly
@pytest.mark.parametrize("lora", [False, True])
def test_initialisation_from_public_data_beats_training_from_scratch(
    lora: bool, tmp_path: Path
) -> None:
    public, own = corpus_of("markov", users=240), corpus_of("markov", users=60, events=14)
    codes = fit(IDS, public).codes
    index_of = {item: index for index, item in enumerate(public.catalog.ids)}
    own_codes = codes.codes[[index_of[item] for item in own.catalog.ids]]
    backbone = scratch(lora=lora)
    train(method(80, backbone=backbone), public, codes, tmp_path / "public")
    few, same = method(5, backbone=backbone), ItemCodes(own_codes, codes.sizes, codes.scheme)
    start = tmp_path / "public"
    train(few, own, same, tmp_path / "both", start=start)
    train(few, own, same, tmp_path / "own")
    targets = instances(own.interactions, own.split, "test")[1]
    both, alone = (lists(own, tmp_path / name) for name in ("both", "own"))
    assert gain(both, alone, targets, 1).low > 0.1


@pytest.fixture
def setup(tmp_path: Path) -> Any:
    """Trains methods on a small corpus, through the store."""
    corpus = corpus_of("markov", users=20, items=8, events=5)
    return corpus, Fits.of(corpus, fit(IDS, corpus).codes, tmp_path / "store").fit


def about(run: Fitted) -> dict[str, Any]:
    actual: dict[str, Any] = json.loads((run.trained / "manifest.json").read_text())
    return actual["about"]


@pytest.mark.nightly
def test_a_model_is_trained_again_when_its_initial_model_changes(setup: Any) -> None:
    corpus, run = setup
    first, other = run(method(2)), run(method(3))
    second = method(1, start="first")
    aligned = run(second, first=first)
    assert aligned.fit_stage.fresh
    assert not run(second, first=first).fit_stage.fresh
    assert (
        len(
            {
                aligned.fit_stage.key,
                run(method(1)).fit_stage.key,
                run(second, first=other).fit_stage.key,
            }
        )
        == 3
    )
    assert about(aligned)["start"] == {"bundle": network_hash(first.trained), **about(first)}
    seen = corpus.interactions.event_keys[corpus.split.mask("train")]
    assert about(aligned)["lineage"] == Lineage(seen).summary()
    # a folder is identified by its contents
    folder = method(1, start=str(first.trained))
    there = run(folder)
    assert about(there)["start"] == about(aligned)["start"]
    assert not run(folder).fit_stage.fresh
    manifest = first.trained / "manifest.json"
    text = manifest.read_text().replace('"steps": 2', '"steps": 7')
    manifest.write_text(text)
    assert run(folder).fit_stage.key != there.fit_stage.key
    third = run(method(1, start="second"), second=aligned)
    assert about(third)["start"]["start"]["bundle"] == about(aligned)["start"]["bundle"]


def test_methods_are_ordered_by_their_initial_models(tmp_path: Path) -> None:
    methods = {
        "c": method(1, start="b"),
        "a": method(1),
        "b": method(1, start="d"),
        "d": method(1),
    }
    assert in_order(methods) == ["d", "b", "c", "a"]
    for name in ("config.json", "items.json"):
        (tmp_path / name).write_text("{}")
    assert in_order({"a": method(1, start=str(tmp_path))}) == ["a"]
    with pytest.raises(UserError, match=r"methods\.a\.start: .*a cycle \(a > b > a\)"):
        in_order({"a": method(1, start="b"), "b": method(1, start="a")})
    with pytest.raises(UserError, match=r"methods\.a\.start: .*'smal'; did you mean 'small'"):
        in_order({"a": method(1, start="smal"), "small": method(1)})


def test_with_other_codes_embeddings_are_new(setup: Any, tmp_path: Path) -> None:
    """With another catalogue item embeddings are new, the language model is the trained one."""
    _, run = setup
    start = run(method(30)).trained
    other = corpus_of("markov", users=20, items=12, events=5)
    codes = fit(IDS, other).codes
    train(method(1, start=str(start)), other, codes, tmp_path / "other", start=start)
    before, after = load_bundle(start), load_bundle(tmp_path / "other")
    assert after.layout.codes.codes.shape == (12, 2)
    assert after.model.item_embeddings.abs().max() <= 0.011  # one step of the optimiser
    name = "lm.gpt_neox.layers.0.mlp.dense_h_to_4h.weight"
    old, new = (bundle.model.get_parameter(name).detach().numpy() for bundle in (before, after))
    fresh = run(method(1)).trained
    untrained = load_bundle(fresh).model.get_parameter(name).detach().numpy()
    assert np.abs(new - old).max() <= 0.011 < np.abs(new - untrained).max()
