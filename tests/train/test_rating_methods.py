"""Rating methods trained through the front door: heads, the swapped control, and no training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fits import Fits
from tiny_models import scratch, some_codes

from p5rec.core.errors import UserError
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.train_events import permute_histories
from p5rec.methods.checks import check_data
from p5rec.methods.generative.method import Generative
from p5rec.models import checkpoint
from p5rec.models.checkpoint import Bundle, load_bundle
from p5rec.models.config import HeadsConfig
from p5rec.models.heads import CumulativeLink
from p5rec.train import training_data
from p5rec.train.learner import training_prompts
from p5rec.train.training import train

ITEMS = 24


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    world = {"kind": "markov", "users": 30, "items": ITEMS, "events": 8}
    return build(DataConfig(source="synthetic", synthetic=world))[0]


def taught(corpus: Corpus, folder: Path, heads: dict[str, Any], **changes: Any) -> Bundle:
    settings = {
        "tasks": {"rating-sequence": {}}, "steps": 2, "batch": 4, "precision": "float32",
        "warmup": 0, **changes,
    }  # fmt: skip
    config = Generative(backbone=scratch(), train=settings, heads=heads)
    train(config, corpus, some_codes(len(corpus.catalog)), folder)
    return load_bundle(folder)


def test_a_bundle_comes_back_with_the_heads_it_was_taught(corpus: Corpus, tmp_path: Path) -> None:
    bundle = taught(corpus, tmp_path, {"regression": None, "classification": "ordinal"})
    assert bundle.settings.heads == HeadsConfig(regression=None, classification="ordinal")
    assert isinstance(bundle.model.heads.classification, CumulativeLink)
    assert bundle.model.heads.regression is None
    metrics = (tmp_path / "metrics.jsonl").read_text()
    assert "classification_loss" in metrics
    assert "regression_loss" not in metrics


def test_statistics_are_taught_as_they_are_asked(corpus: Corpus, tmp_path: Path) -> None:
    bundle = taught(corpus, tmp_path, {}, next_item={"statistics": True, "window": 4})
    assert bundle.settings.statistics
    library = training_prompts(Generative())
    settings = {
        "tasks": {"rating-sequence": {}}, "steps": 2, "batch": 4,
        "next_item": {"statistics": True, "window": 4},
    }  # fmt: skip
    config = Generative(backbone=scratch(), train=settings)
    seen = config.train.training_events(corpus)
    rows = training_data.build_training_data(config, seen, bundle, library)[0]["rating-sequence"]
    text = bundle.tokenizer.decode(rows[0].input_ids)
    assert text.count(" mean ") == rows.windows.lengths[0]


def test_no_steps_leave_a_model_as_it_is_and_without_heads(corpus: Corpus, tmp_path: Path) -> None:
    bundle = taught(corpus, tmp_path, {}, steps=0, tasks={"rating": {}})
    fresh = checkpoint.build(bundle.settings, bundle.layout.codes, bundle.item_ids)
    weights = bundle.model.state_dict()
    assert all(torch.equal(weights[name], w) for name, w in fresh.model.state_dict().items())
    assert bundle.model.heads is None
    assert bundle.settings.scale  # its words can still be asked
    assert not bundle.settings.trained
    assert not (tmp_path / "metrics.jsonl").exists()


def test_what_knows_no_codes_is_asked_in_words_alone(corpus: Corpus) -> None:
    def check(task: str) -> None:
        config = Generative(train={"steps": 0, "tasks": {task: {}}})
        check_data({"zero": config}, (), corpus)

    for task in ("rating", "rating-statistics", "sequential-yesno"):
        check(task)
    for task in ("next-item", "rating-sequence", "sequential-next", "direct", "item-id-to-text"):
        with pytest.raises(UserError, match=f"words alone where train.steps is 0, got '{task}'"):
            check(task)


def test_the_control_is_fitted_to_permuted_histories_and_nothing_else(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def watch(name: str, n: int, config: Any, given: Corpus, *rest: Any) -> Any:
        seen.append(given)
        return rows(name, n, config, given, *rest)

    rows = training_data._rows
    monkeypatch.setattr(training_data, "_rows", watch)
    fits = Fits.of(corpus, some_codes(ITEMS), tmp_path / "store")
    settings = {"tasks": {"rating-sequence": {}}, "steps": 1, "batch": 4, "seed": 3}
    plain = Generative(backbone=scratch(), train=settings)
    runs = [
        fits.fit(plain.model_copy(update={"permute_histories": permuted}))
        for permuted in (False, True)
    ]
    one, other = (load_bundle(run.trained) for run in runs)
    assert one.settings == other.settings
    keys = corpus.interactions.event_keys
    assert all(
        np.array_equal(run.fit_stage.lineage.contains(keys), corpus.split.mask("train")) for run in runs
    )
    permuted = permute_histories(corpus, ["train"], 3).interactions
    for given, wanted in zip(seen, (corpus.interactions, permuted), strict=True):
        assert np.array_equal(given.interactions.items, wanted.items)
        assert np.array_equal(given.interactions.ratings, wanted.ratings, equal_nan=True)


def test_what_swapped_models_answer_hangs_on_validation_too(corpus: Corpus) -> None:
    """A test event's history ends with validation events: a deal of both parts moves them all."""
    before = corpus.interactions
    log = permute_histories(corpus, ["train", "valid"], 0).interactions
    moved = replace(before, items=log.items).items != before.items
    assert moved[corpus.split.mask("train", "valid")].mean() > 0.8
    assert not moved[corpus.split.mask("test")].any()
