"""Alignment as a whole: planted effects are sharpened, and runs behave as all training does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fits import Fits
from means import paired_means
from tiny_models import scratch

from p5rec.core.errors import UserError
from p5rec.core.types import Corpus, ItemCodes
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.split import instances
from p5rec.ids.base import fit
from p5rec.ids.config import IdsConfig
from p5rec.methods.fitted import Fitted
from p5rec.methods.generative.method import Generative
from p5rec.metrics.intervals import Interval
from p5rec.models.checkpoint import Bundle, load_bundle
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
    start = "taught" if "align" in changes else None
    decode = DecodeConfig(k=5, beams=40)
    return Generative(backbone=scratch(), train=settings, decode=decode, start=start)


def corpus_of(kind: str) -> Corpus:
    world = {"kind": kind, "users": 240, "items": ITEMS, "events": 12}
    return build(DataConfig(source="synthetic", synthetic=world))[0]


class World:
    """A corpus and a store in which models are taught."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.corpus = corpus_of(kind)
        self.codes: ItemCodes = fit(IDS, self.corpus).codes
        self.fits = Fits.of(self.corpus, self.codes, folder)
        self.store = self.fits.prepared.store

    def teach(self, method: Generative, start: Fitted | None = None) -> Fitted:
        return self.fits.fit(method, **({} if start is None else {"taught": start}))

    def first(self, model: Fitted) -> tuple[np.ndarray, np.ndarray]:
        """``(B,)`` whether the first of each test list is right, and whose it is."""
        bundle = load_bundle(model.trained).ready()
        histories, targets, _ = instances(self.corpus.interactions, self.corpus.split, "test")
        lists = GenerativeRecommender(bundle, DecodeConfig(k=5, beams=40)).recommend(histories, 5)
        return (lists.items[:, 0] == targets).astype(float), lists.users

    def gain(self, one: Fitted, other: Fitted) -> Interval:
        (hits, users), (before, _) = self.first(one), self.first(other)
        return paired_means(hits, before, users, seed=0)


@pytest.mark.nightly
@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_planted_successor_rises(tmp_path: Path, name: str) -> None:
    """After a short supervised training that has found the successors, but is not sure of them."""
    world = World("markov", tmp_path)
    start = world.teach(method(15))
    found = world.teach(method(40, 0.003, align=OBJECTIVES[name]), start)
    assert world.gain(found, start).low > 0


@pytest.mark.nightly
@pytest.mark.parametrize("name", OBJECTIVES)
def test_where_nothing_was_planted_nothing_is_gained(tmp_path: Path, name: str) -> None:
    world = World("null", tmp_path)
    start = world.teach(method(60))
    found = world.teach(method(60, 0.003, align=OBJECTIVES[name]), start)
    assert world.gain(found, start).low <= 0


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Fitted]:
    world = World("markov", tmp_path_factory.mktemp("world"))
    return world, world.teach(method(10))


def weights(bundle: Bundle) -> dict[str, torch.Tensor]:
    return dict(bundle.model.named_parameters())


def distance(one: Fitted, other: Fitted) -> float:
    a, b = (weights(load_bundle(artefact.trained)) for artefact in (one, other))
    return max(float((a[name] - b[name]).detach().abs().max()) for name in a)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_alignment_begins_where_supervised_training_ended(
    taught: tuple[World, Fitted], name: str
) -> None:
    world, start = taught
    nearly = world.teach(method(1, 1e-7, align=OBJECTIVES[name]), start)
    assert 0 < distance(nearly, start) < 1e-5
    moved = world.teach(method(4, 1e-3, align=OBJECTIVES[name]), start)
    assert distance(moved, start) > 1e-4


@pytest.mark.parametrize("name", OBJECTIVES)
def test_what_steers_alignment_is_made_again_and_nothing_else(
    taught: tuple[World, Fitted], name: str
) -> None:
    world, start = taught
    settings = OBJECTIVES[name]
    one = world.teach(method(1, align=settings), start)
    assert not world.teach(method(1, align=settings), start).fit_stage.fresh
    pairs = len(list((world.store.root / "pairs").glob("*"))) if name == "sdpo" else 0
    other = world.teach(method(1, align={**settings, "nll": 0.5}), start)
    assert other.fit_stage.fresh
    assert other.fit_stage.key != one.fit_stage.key
    assert world.teach(method(1, align=settings), other).fit_stage.fresh  # from another model
    if name == "sdpo":  # the weight of a loss changes no pair; another model lists others
        assert len(list((world.store.root / "pairs").glob("*"))) == pairs + 1
    train_part = world.corpus.split.mask("train")
    seen = one.fit_stage.lineage.contains(world.corpus.interactions.event_keys)
    assert np.array_equal(seen, train_part)


class Crash(Exception):
    """The power went."""


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_crashed_run_goes_on_to_the_same_weights(
    taught: tuple[World, Fitted], tmp_path: Path, name: str
) -> None:
    world, start = taught
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
        world.teach(settings, start)
        newest = max((world.store.root / "pairs").iterdir(), key=lambda p: p.stat().st_mtime)
        paths["pairs"] = newest
    calls: list[int] = []

    def crash(_: Bundle) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 5:
            raise Crash
        return {}

    given = (settings, world.corpus, world.codes)
    with pytest.raises(Crash):
        train(*given, tmp_path / "one", crash, **paths)
    train(*given, tmp_path / "one", lambda _: {}, **paths)
    train(*given, tmp_path / "two", lambda _: {}, **paths)
    one, two = (weights(load_bundle(tmp_path / n)) for n in ("one", "two"))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_accumulated_batches_equal_one_large_batch(
    taught: tuple[World, Fitted], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """So that processes which share a batch do what one would. The order of rows is fixed for that,
    and Adam, which turns a last bit of a small gradient into a whole step, left out."""
    monkeypatch.setattr(schedule, "batch_order", lambda tasks, *_: np.arange(len(tasks)))
    plain = sft.MultitaskTrainer.create_optimizer

    def descent(trainer: sft.MultitaskTrainer) -> torch.optim.Optimizer:
        groups = plain(trainer).param_groups
        trainer.optimizer = torch.optim.SGD([p for g in groups for p in g["params"]], lr=0.1)
        return trainer.optimizer

    monkeypatch.setattr(sft.MultitaskTrainer, "create_optimizer", descent)
    world, start = taught
    align = {**OBJECTIVES[name], "positions": 3}
    whole = world.teach(method(2, align=align), start)
    halves = world.teach(method(2, align=align, batch=8, accumulate=2), start)
    assert distance(whole, start) > 1e-3
    assert distance(whole, halves) < 1e-5


def test_a_config_says_what_alignment_needs() -> None:
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


def test_a_model_of_other_ids_is_not_aligned(taught: tuple[World, Fitted]) -> None:
    world, start = taught
    dealt = world.codes.codes[np.random.default_rng(0).permutation(ITEMS)]

    other = Fits.of(world.corpus, replace(world.codes, codes=dealt), world.store.root / "other")
    aligned = method(3, align=OBJECTIVES["sdpo"])
    with pytest.raises(UserError, match="expected a model of the same items and ids to align"):
        other.fit(aligned, taught=start)
