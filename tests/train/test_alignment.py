"""Alignment: planted effects are improved, and runs behave like every training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fits import Fits
from mean_intervals import paired_means
from tiny_models import scratch

from p5rec.core.errors import UserError
from p5rec.core.item_codes import ItemCodes
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.split import instances
from p5rec.ids.base import fit
from p5rec.ids.config import IdsConfig
from p5rec.methods.fitted import Fitted
from p5rec.methods.generative.method import Generative
from p5rec.metrics.intervals import Interval
from p5rec.models.bundle import Bundle
from p5rec.models.checkpoint import load_bundle
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.generative import GenerativeRecommender
from p5rec.train import schedule, sft
from p5rec.train.config import TrainConfig
from p5rec.train.training import train

ITEMS = 40
IDS = IdsConfig(levels=2, codebook=8, vectors={"text": None, "cooccurrence": {"dim": 8}})
OBJECTIVES: dict[str, dict[str, Any]] = {
    "sdpo": {"objective": "sdpo", "negatives": 6},
    "grpo": {"objective": "grpo", "group": 8},
}


def method(steps: int, rate: float = 0.01, **changes: Any) -> Generative:
    fixed: dict[str, Any] = {"batch": 16, "warmup": 0, "precision": "float32", **changes}
    settings = TrainConfig(steps=steps, learning_rate=rate, **fixed)
    start = "base" if "align" in changes else None
    decode = DecodeConfig(k=5, beams=40)
    return Generative(backbone=scratch(), train=settings, decode=decode, start=start)


def corpus_of(kind: str) -> Corpus:
    setup = {"kind": kind, "users": 240, "items": ITEMS, "events": 12}
    return build(DataConfig(source="synthetic", synthetic=setup))[0]


class Setup:
    """A corpus and a store of trained models."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.corpus = corpus_of(kind)
        self.codes: ItemCodes = fit(IDS, self.corpus).codes
        self.fits = Fits.of(self.corpus, self.codes, folder)
        self.store = self.fits.prepared.store

    def fit_method(self, method: Generative, start: Fitted | None = None) -> Fitted:
        return self.fits.fit(method, **({} if start is None else {"base": start}))

    def first(self, model: Fitted) -> tuple[np.ndarray, np.ndarray]:
        """``(B,)`` whether the first recommendation is the target, and its user."""
        bundle = load_bundle(model.trained).ready()
        histories, targets, _ = instances(self.corpus.interactions, self.corpus.split, "test")
        lists = GenerativeRecommender(bundle, DecodeConfig(k=5, beams=40)).recommend(histories, 5)
        return (lists.items[:, 0] == targets).astype(float), lists.users

    def gain(self, one: Fitted, other: Fitted) -> Interval:
        (hits, users), (before, _) = self.first(one), self.first(other)
        return paired_means(hits, before, users, seed=0)


@pytest.mark.nightly
@pytest.mark.parametrize("name", OBJECTIVES)
def test_alignment_improves_a_planted_successor(tmp_path: Path, name: str) -> None:
    """After a short supervised training, which has learned the successors only partly."""
    setup = Setup("markov", tmp_path)
    start = setup.fit_method(method(15))
    actual = setup.fit_method(method(40, 0.003, align=OBJECTIVES[name]), start)
    assert setup.gain(actual, start).low > 0


@pytest.mark.nightly
@pytest.mark.parametrize("name", OBJECTIVES)
def test_alignment_gains_nothing_on_null_data(tmp_path: Path, name: str) -> None:
    setup = Setup("null", tmp_path)
    start = setup.fit_method(method(60))
    actual = setup.fit_method(method(60, 0.003, align=OBJECTIVES[name]), start)
    assert setup.gain(actual, start).low <= 0


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Setup, Fitted]:
    setup = Setup("markov", tmp_path_factory.mktemp("setup"))
    return setup, setup.fit_method(method(10))


def weights(bundle: Bundle) -> dict[str, torch.Tensor]:
    return dict(bundle.model.named_parameters())


def distance(one: Fitted, other: Fitted) -> float:
    a, b = (weights(load_bundle(artefact.trained)) for artefact in (one, other))
    return max(float((a[name] - b[name]).detach().abs().max()) for name in a)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_alignment_starts_from_the_trained_weights(base: tuple[Setup, Fitted], name: str) -> None:
    setup, start = base
    nearly = setup.fit_method(method(1, 1e-7, align=OBJECTIVES[name]), start)
    assert 0 < distance(nearly, start) < 1e-5
    further = setup.fit_method(method(4, 1e-3, align=OBJECTIVES[name]), start)
    assert distance(further, start) > 1e-4


@pytest.mark.parametrize("name", OBJECTIVES)
def test_changed_alignment_settings_refit_only_what_depends_on_them(
    base: tuple[Setup, Fitted], name: str
) -> None:
    setup, start = base
    settings = OBJECTIVES[name]
    one = setup.fit_method(method(1, align=settings), start)
    assert not setup.fit_method(method(1, align=settings), start).fit_stage.fresh
    pairs = len(list((setup.store.root / "pairs").glob("*"))) if name == "sdpo" else 0
    other = setup.fit_method(method(1, align={**settings, "nll": 0.5}), start)
    assert other.fit_stage.fresh
    assert other.fit_stage.key != one.fit_stage.key
    assert setup.fit_method(method(1, align=settings), other).fit_stage.fresh  # another base model
    if name == "sdpo":  # pairs do not depend on the weight of a loss
        assert len(list((setup.store.root / "pairs").glob("*"))) == pairs + 1
    in_train = setup.corpus.split.mask("train")
    seen = one.fit_stage.lineage.contains(setup.corpus.interactions.event_keys)
    assert np.array_equal(seen, in_train)


class Crash(Exception):
    """A simulated crash."""


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_crashed_run_resumes_to_the_same_weights(
    base: tuple[Setup, Fitted], tmp_path: Path, name: str
) -> None:
    setup, start = base
    settings = method(
        6,
        1e-3,
        align=OBJECTIVES[name],
        save_every=2,
        evaluate_every=1,
        next_item={"item_dropout": 0.2},
    )
    paths: dict[str, Any] = {"start": start.trained}
    if name == "sdpo":
        setup.fit_method(settings, start)
        newest = max((setup.store.root / "pairs").iterdir(), key=lambda p: p.stat().st_mtime)
        paths["pairs"] = newest
    calls: list[int] = []

    def crash(_: Bundle) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 5:
            raise Crash
        return {}

    arguments = (settings, setup.corpus, setup.codes)
    with pytest.raises(Crash):
        train(*arguments, tmp_path / "one", crash, **paths)
    train(*arguments, tmp_path / "one", lambda _: {}, **paths)
    train(*arguments, tmp_path / "two", lambda _: {}, **paths)
    one, two = (weights(load_bundle(tmp_path / n)) for n in ("one", "two"))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_accumulated_batches_equal_one_large_batch(
    base: tuple[Setup, Fitted], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The order of examples is fixed. The optimiser is SGD, because Adam would amplify rounding
    errors of small gradients."""
    monkeypatch.setattr(schedule, "batch_order", lambda tasks, *_: np.arange(len(tasks)))
    plain = sft.MultitaskTrainer.create_optimizer

    def descent(trainer: sft.MultitaskTrainer) -> torch.optim.Optimizer:
        groups = plain(trainer).param_groups
        trainer.optimizer = torch.optim.SGD([p for g in groups for p in g["params"]], lr=0.1)
        return trainer.optimizer

    monkeypatch.setattr(sft.MultitaskTrainer, "create_optimizer", descent)
    setup, start = base
    align = {**OBJECTIVES[name], "positions": 3}
    one_batch = setup.fit_method(method(2, align=align), start)
    two_halves = setup.fit_method(method(2, align=align, batch=8, accumulate=2), start)
    assert distance(one_batch, start) > 1e-3
    assert distance(one_batch, two_halves) < 1e-5


def test_alignment_needs_a_trained_model_and_next_item() -> None:
    align = {"objective": "sdpo"}
    with pytest.raises(ValueError, match="needs a trained model and the task next-item"):
        Generative(train={"align": align})
    with pytest.raises(ValueError, match="needs a trained model and the task next-item"):
        Generative(start="small", train={"align": align, "tasks": {"rating": {}}})
    with pytest.raises(ValueError, match="negatives"):
        TrainConfig(align={"objective": "grpo", "negatives": 3})
    with pytest.raises(ValueError, match="'sdpo', 'grpo'"):
        TrainConfig(align={"objective": "ppo"})
    assert Generative(start="small", train={"align": align}).train.align is not None


def test_a_model_of_other_ids_is_not_aligned(base: tuple[Setup, Fitted]) -> None:
    setup, start = base
    permuted = setup.codes.codes[np.random.default_rng(0).permutation(ITEMS)]

    other = Fits.of(setup.corpus, replace(setup.codes, codes=permuted), setup.store.root / "other")
    aligned = method(3, align=OBJECTIVES["sdpo"])
    with pytest.raises(UserError, match="expected a model with the same items and ids to align"):
        other.fit(aligned, base=start)
