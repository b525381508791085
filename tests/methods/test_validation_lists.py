"""Validation lists leave out seen items if the recipe's lists do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from p5rec.core.artefacts import Artefact, Lineage, Store
from p5rec.core.types import Corpus, Histories, RankedLists
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.methods.base import Method
from p5rec.methods.baselines.ease import Ease
from p5rec.methods.baselines.fitting import validation_metric
from p5rec.methods.baselines.frequency import PersonalFrequency
from p5rec.methods.baselines.popularity import Popularity
from p5rec.methods.baselines.rating import Bias
from p5rec.methods.registry import baseline
from p5rec.methods.tune import of_lists
from p5rec.pipeline.fitting import fit_method
from p5rec.pipeline.prepared import Prepared


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    synthetic = {"kind": "markov", "users": 30, "items": 12, "events": 16}
    return build(DataConfig(source="synthetic", synthetic=synthetic, dedupe="none"))[0]


class Recorder:
    """Records ``exclude_seen`` of its calls."""

    recorded: list[bool]

    def __init__(self) -> None:
        self.recorded = []

    def recommend(self, histories: Histories, k: int, *, exclude_seen: bool = True) -> RankedLists:
        self.recorded.append(exclude_seen)
        shape = (len(histories), k)
        return RankedLists(histories.users, np.full(shape, -1, np.int32), np.zeros(shape))


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_exclude_seen_follows_the_split(corpus: Corpus, exclude_seen: bool) -> None:
    corpus, model = corpus.with_validation(exclude_seen=exclude_seen), Recorder()
    of_lists(corpus)(model)
    metric = validation_metric(lambda: model, corpus.interactions, corpus.split)
    assert metric is not None
    metric()
    assert model.recorded == [exclude_seen] * 2


def test_validation_checks_of_generative_models_follow_the_split(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    from p5rec.recommend import validate
    from p5rec.recommend.config import DecodeConfig

    recorder = Recorder()
    monkeypatch.setattr(validate, "GenerativeRecommender", lambda *_: recorder)
    bundle: Any = SimpleNamespace(
        settings=SimpleNamespace(tasks=("next-item",)), model=SimpleNamespace(item_head=None)
    )
    for exclude_seen in (True, False):
        seen = corpus.with_validation(exclude_seen=exclude_seen)
        validate.validator(seen, DecodeConfig(), 10)(bundle)
    assert recorder.recorded == [True, False]


def test_repeats_count_where_lists_include_seen_items(corpus: Corpus) -> None:
    model = PersonalFrequency().learn(corpus.interactions, corpus.split)
    without, having = (
        of_lists(corpus.with_validation(exclude_seen=each))(model) for each in (True, False)
    )
    assert having > without


def keys(method: Method, corpus: Corpus, store: Store, data: Artefact, stage: str) -> set[str]:
    fit_method(method, Prepared(corpus, data, store))
    return {folder.name for folder in (store.root / stage).iterdir() if folder.is_dir()}


@pytest.mark.parametrize(
    ("method", "stage", "refitted"),
    [
        (Ease(max_items=99), "trial", True),
        (Popularity(), "fit", False),
        (baseline("bpr").model_copy(update={"epochs": 1, "tune": {}}), "fit", True),
    ],
    ids=["chosen", "counted", "stopped"],
)
def test_exclude_seen_is_in_the_keys_of_stages_that_depend_on_it(
    method: Method, stage: str, refitted: bool, corpus: Corpus, tmp_path: Any
) -> None:
    store = Store(tmp_path / "store", lambda _: None, 0)
    data = store.stage("data", lambda _: Lineage.none(), config={}, code=())
    first = keys(method, corpus, store, data, stage)
    assert keys(method, corpus, store, data, stage) == first
    both = keys(method, corpus.with_validation(exclude_seen=False), store, data, stage)
    assert len(both) == (2 if refitted else 1) * len(first)


def test_rating_methods_have_no_lists() -> None:
    assert Bias().capabilities[0] != "recommend"
    assert not Bias.validates_during_fit
