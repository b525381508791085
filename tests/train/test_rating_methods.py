"""Training of rating methods: heads, the permutation control, zero-shot."""

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
from p5rec.models.bundle import Bundle
from p5rec.models.bundle import build as build_bundle
from p5rec.models.checkpoint import load_bundle
from p5rec.models.config import HeadsConfig
from p5rec.models.heads import CumulativeLink
from p5rec.train import training_data
from p5rec.train.learner import training_prompts
from p5rec.train.training import train

ITEMS = 24


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    dataset = {"kind": "markov", "users": 30, "items": ITEMS, "events": 8}
    return build(DataConfig(source="synthetic", synthetic=dataset))[0]


def trained_bundle(corpus: Corpus, folder: Path, heads: dict[str, Any], **changes: Any) -> Bundle:
    settings = {
        "tasks": {"rating-sequence": {}}, "steps": 2, "batch": 4, "precision": "float32",
        "warmup": 0, **changes,
    }  # fmt: skip
    config = Generative(backbone=scratch(), train=settings, heads=heads)
    train(config, corpus, some_codes(len(corpus.catalog)), folder)
    return load_bundle(folder)


@pytest.mark.system("rating-study")
def test_a_bundle_is_loaded_with_its_trained_heads(corpus: Corpus, tmp_path: Path) -> None:
    bundle = trained_bundle(corpus, tmp_path, {"regression": None, "classification": "ordinal"})
    assert bundle.settings.heads == HeadsConfig(regression=None, classification="ordinal")
    assert isinstance(bundle.model.heads.classification, CumulativeLink)
    assert bundle.model.heads.regression is None
    metrics = (tmp_path / "metrics.jsonl").read_text()
    assert "classification_loss" in metrics
    assert "regression_loss" not in metrics


def test_statistics_are_in_the_training_examples(corpus: Corpus, tmp_path: Path) -> None:
    bundle = trained_bundle(corpus, tmp_path, {}, next_item={"statistics": True, "window": 4})
    assert bundle.settings.statistics
    library = training_prompts(Generative())
    settings = {
        "tasks": {"rating-sequence": {}}, "steps": 2, "batch": 4,
        "next_item": {"statistics": True, "window": 4},
    }  # fmt: skip
    config = Generative(backbone=scratch(), train=settings)
    corpora = config.train.training_events(corpus)
    examples = training_data.build_training_data(config, corpora, bundle, library)[0][
        "rating-sequence"
    ]
    text = bundle.tokenizer.decode(examples[0].input_ids)
    assert text.count(" mean ") == examples.windows.lengths[0]


def test_zero_steps_save_an_untrained_model_without_heads(corpus: Corpus, tmp_path: Path) -> None:
    bundle = trained_bundle(corpus, tmp_path, {}, steps=0, tasks={"rating": {}})
    untrained = build_bundle(bundle.settings, bundle.layout.codes, bundle.item_ids)
    weights = bundle.model.state_dict()
    assert all(torch.equal(weights[name], w) for name, w in untrained.model.state_dict().items())
    assert bundle.model.heads is None
    assert bundle.settings.scale  # for ratings as text
    assert not bundle.settings.trained
    assert not (tmp_path / "metrics.jsonl").exists()


def test_zero_shot_models_take_only_tasks_in_words(corpus: Corpus) -> None:
    def check(task: str) -> None:
        config = Generative(train={"steps": 0, "tasks": {task: {}}})
        check_data({"zero": config}, (), corpus)

    for task in ("rating", "rating-statistics", "sequential-yesno"):
        check(task)
    for task in ("next-item", "rating-sequence", "sequential-next", "direct", "item-id-to-text"):
        message = f"tasks without item codes where train.steps is 0, got '{task}'"
        with pytest.raises(UserError, match=message):
            check(task)


@pytest.mark.system("rating-study")
def test_the_permutation_control_is_trained_on_permuted_histories_only(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpora = []

    def spy(name: str, n: int, config: Any, corpus_of_run: Corpus, *rest: Any) -> Any:
        corpora.append(corpus_of_run)
        return examples(name, n, config, corpus_of_run, *rest)

    examples = training_data._examples
    monkeypatch.setattr(training_data, "_examples", spy)
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
        np.array_equal(run.fit_stage.lineage.contains(keys), corpus.split.mask("train"))
        for run in runs
    )
    permuted = permute_histories(corpus, ["train"], 3).interactions
    for corpus_of_run, expected in zip(corpora, (corpus.interactions, permuted), strict=True):
        assert np.array_equal(corpus_of_run.interactions.items, expected.items)
        assert np.array_equal(corpus_of_run.interactions.ratings, expected.ratings, equal_nan=True)


def test_permutation_of_train_and_valid_keeps_test_events(corpus: Corpus) -> None:
    """A test event's history ends with validation events, which are permuted too."""
    before = corpus.interactions
    log = permute_histories(corpus, ["train", "valid"], 0).interactions
    changed = replace(before, items=log.items).items != before.items
    assert changed[corpus.split.mask("train", "valid")].mean() > 0.8
    assert not changed[corpus.split.mask("test")].any()
