"""Planted effects are learned, and nothing is learned on null data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fits import Fits
from mean_intervals import excludes_zero, paired_means
from tiny_models import scratch

from p5rec.core.code import Code
from p5rec.core.types import Corpus, Histories, RankedLists
from p5rec.data.build import build
from p5rec.data.config import DataConfig, SyntheticConfig
from p5rec.data.sources.synthetic import successor
from p5rec.data.split import instances
from p5rec.ids.base import fit
from p5rec.ids.config import IdsConfig
from p5rec.methods.baselines.popularity import Popularity
from p5rec.methods.generative.method import Generative
from p5rec.metrics.intervals import Interval
from p5rec.models.checkpoint import load_bundle
from p5rec.models.config import ItemHeadConfig
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.generative import GenerativeRecommender
from p5rec.recommend.validate import validator
from p5rec.train.config import EpochsConfig, TrainConfig
from p5rec.train.training import train

ITEMS = 40
SETTINGS = Generative(
    backbone=scratch(),
    train=TrainConfig(steps=250, batch=16, learning_rate=0.01, warmup=10, precision="float32"),
    decode=DecodeConfig(k=5, beams=40),
)
IDS = IdsConfig(levels=2, codebook=8, vectors={"text": None, "cooccurrence": {"dim": 8}})


def corpus_of(kind: str, **changes: Any) -> Corpus:
    dataset = {"kind": kind, "users": 240, "items": ITEMS, "events": 12, **changes}
    return build(DataConfig(source="synthetic", synthetic=dataset))[0]


def lists(
    corpus: Corpus, folder: Path, **changes: Any
) -> tuple[RankedLists, RankedLists, Histories, np.ndarray]:
    """Recommendations of a tiny trained model and of popularity, the requests, the targets."""
    codes = fit(IDS, corpus).codes
    settings = SETTINGS.model_copy(update={"train": SETTINGS.train.model_copy(update=changes)})
    train(settings, corpus, codes, folder)
    bundle = load_bundle(folder).ready()
    histories, targets, _ = instances(corpus.interactions, corpus.split, "test")
    model = GenerativeRecommender(bundle, SETTINGS.decode, corpus.split.seed)
    common = Popularity().learn(corpus.interactions, corpus.split)
    return model.recommend(histories, 5), common.recommend(histories, 5), histories, targets


def gain(one: RankedLists, other: RankedLists, targets: np.ndarray, k: int) -> Interval:
    """The difference in HR@k."""
    hits = [
        (actual.items[:, :k] == targets[:, None]).any(1).astype(float) for actual in (one, other)
    ]
    return paired_means(*hits, one.users, seed=0)


@pytest.mark.ladder
def test_a_planted_successor_is_learned(tmp_path: Path) -> None:
    corpus = corpus_of("markov")
    model, popularity, histories, targets = lists(corpus, tmp_path)
    actual = gain(model, popularity, targets, 1)
    assert actual.low > 0.3
    # its first recommendation is the planted successor, by external id
    numbers = np.array([int(name[1:]) for name in corpus.catalog.ids])
    after = successor(SyntheticConfig(kind="markov", users=240, items=ITEMS, events=12))
    last = numbers[histories.items[histories.offsets[1:] - 1]]
    followed = numbers[model.items[:, 0]] == after[last]
    seen = np.array([after[n] in numbers[histories[b]] for b, n in enumerate(last)])
    assert followed[~seen].mean() > 0.7


@pytest.mark.ladder
def test_on_null_data_nothing_is_learned(tmp_path: Path) -> None:
    model, popularity, _, targets = lists(corpus_of("null"), tmp_path)
    for k in (1, 5):
        assert not excludes_zero(gain(model, popularity, targets, k))


@pytest.mark.ladder
def test_on_a_checkerboard_recommendations_have_the_user_s_colour(tmp_path: Path) -> None:
    corpus = corpus_of("checkerboard")
    model, popularity, histories, targets = lists(corpus, tmp_path)
    numbers = np.array([int(name[1:]) for name in corpus.catalog.ids])
    colour = np.array([int(corpus.user_ids[u][1:]) % 2 for u in histories.users])
    same_colour = numbers[model.items] % 2 == colour[:, None]
    assert same_colour.mean() > 0.95
    assert gain(model, popularity, targets, 5).low > 0


@pytest.mark.ladder
@pytest.mark.parametrize("planted", [True, False])
def test_views_help_only_if_they_carry_a_signal(planted: bool, tmp_path: Path) -> None:
    actual = []
    for behaviour in ({"column": "behaviour", "targets": ["purchase"]}, None):
        dataset = {"kind": "shop", "users": 300, "items": ITEMS, "events": 5, "p": 0.9 * planted}
        corpus = build(
            DataConfig(source="synthetic", synthetic=dataset, behaviour=behaviour, catalog="table")
        )[0]
        model, _, _, targets = lists(corpus, tmp_path / str(behaviour is None), steps=150)
        actual.append((model, targets))
    (everything, targets), (bought, same) = actual
    assert (targets == same).all()
    low = gain(everything, bought, targets, 5).low
    assert low > 0 if planted else low <= 0


@pytest.fixture
def fit_once(tmp_path: Path):
    """Trains on a small corpus for a step, through the store."""
    corpus = corpus_of("markov", users=20, items=8, events=5)
    fits = Fits.of(corpus, fit(IDS, corpus).codes, tmp_path / "store")

    def run(seed: int = 0, train_settings: dict[str, Any] | None = None, **changes: Any):
        settings = SETTINGS.train.model_copy(
            update={"steps": 1, "seed": seed, **(train_settings or {})}
        )
        return fits.fit(SETTINGS.model_copy(update={"train": settings, **changes})).fit_stage

    return run


def test_a_model_is_trained_once_per_setting(fit_once) -> None:
    first = fit_once()
    assert first.fresh
    assert not fit_once().fresh
    assert sorted(p.name for p in first.path.iterdir()) == ["lineage.npy", "manifest.json", "model"]
    assert (first.path / "model" / "metrics.jsonl").is_file()
    assert fit_once(seed=1).key != first.key
    assert fit_once(train_settings={"report_to": ("wandb",)}).key == first.key


WIDER = DecodeConfig(k=3, beams=9)
EARLY_STOPPING = {"evaluate_every": 1, "patience": 1, "evaluate_users": 5}


@pytest.mark.parametrize(
    ("train_settings", "head", "matters"),
    [
        ({}, None, False),
        ({"evaluate_every": 1}, None, False),  # checks are logged and decide nothing
        (EARLY_STOPPING, None, True),
        ({"epochs": EpochsConfig(max_epochs=1)}, None, True),
        (EARLY_STOPPING, ItemHeadConfig(), False),  # validated by the item head only
    ],
)
def test_the_search_is_part_of_the_key_only_with_early_stopping(
    fit_once, train_settings: dict[str, Any], head: ItemHeadConfig | None, matters: bool
) -> None:
    keys = {
        fit_once(train_settings=train_settings, decode=decode, item_head=head).key
        for decode in (SETTINGS.decode, WIDER)
    }
    assert len(keys) == 1 + matters


def test_validation_code_is_part_of_the_key_only_with_validation(
    fit_once, monkeypatch: pytest.MonkeyPatch
) -> None:
    work: list[tuple[Any, ...]] = []
    monkeypatch.setattr(Code, "digest", lambda self, *inputs: (work.append(inputs), "code")[1])
    fit_once()
    without_validation = work[-1]
    fit_once(train_settings=EARLY_STOPPING)
    assert {*work[-1]} - {*without_validation} == {f"{validator.__module__}:{validator.__name__}"}


def test_a_changed_prompt_is_trained_again(fit_once, tmp_path: Path) -> None:
    source = Path(__file__).resolve().parents[2] / "prompts" / "rating.yaml"
    folder = tmp_path / "prompts"
    folder.mkdir()
    text = source.read_text().replace("family: rating", "family: stars")
    (folder / "stars.yaml").write_text(text)
    tasks = SETTINGS.train.model_copy(
        update={"steps": 1, "tasks": {"stars": SETTINGS.train.tasks["next-item"]}}
    )
    prompts = SETTINGS.prompts.model_copy(update={"folders": (str(folder),)})
    first = fit_once(train=tasks, prompts=prompts)
    assert first.fresh
    assert not fit_once(train=tasks, prompts=prompts).fresh
    words = "Answer with the number alone."
    assert words in text
    (folder / "stars.yaml").write_text(text.replace(words, "Write only the number."))
    assert fit_once(train=tasks, prompts=prompts).fresh
