"""The lists by which settings are chosen leave out seen items where those of the recipe do."""

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
    world = {"kind": "markov", "users": 30, "items": 12, "events": 16}
    return build(DataConfig(source="synthetic", synthetic=world, dedupe="none"))[0]


class Told:
    """Notes how it was asked."""

    asked: list[bool]

    def __init__(self) -> None:
        self.asked = []

    def recommend(self, histories: Histories, k: int, *, exclude_seen: bool = True) -> RankedLists:
        self.asked.append(exclude_seen)
        shape = (len(histories), k)
        return RankedLists(histories.users, np.full(shape, -1, np.int32), np.zeros(shape))


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_the_split_says_how(corpus: Corpus, exclude_seen: bool) -> None:
    corpus, model = corpus.with_validation(exclude_seen=exclude_seen), Told()
    of_lists(corpus)(model)
    figure = validation_metric(lambda: model, corpus.interactions, corpus.split)
    assert figure is not None
    figure()
    assert model.asked == [exclude_seen] * 2


def test_a_generative_model_is_looked_at_so_too(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    from p5rec.recommend import validate
    from p5rec.recommend.config import DecodeConfig

    told = Told()
    monkeypatch.setattr(validate, "GenerativeRecommender", lambda *_: told)
    bundle: Any = SimpleNamespace(
        settings=SimpleNamespace(tasks=("next-item",)), model=SimpleNamespace(item_head=None)
    )
    for exclude_seen in (True, False):
        seen = corpus.with_validation(exclude_seen=exclude_seen)
        validate.validator(seen, DecodeConfig(), 10)(bundle)
    assert told.asked == [True, False]


def test_what_is_bought_again_is_found_where_lists_may_hold_it(corpus: Corpus) -> None:
    model = PersonalFrequency().learn(corpus.interactions, corpus.split)
    without, having = (
        of_lists(corpus.with_validation(exclude_seen=each))(model) for each in (True, False)
    )
    assert having > without


def keys(method: Method, corpus: Corpus, store: Store, data: Artefact, stage: str) -> set[str]:
    fit_method(method, Prepared(corpus, data, store))
    return {folder.name for folder in (store.root / stage).iterdir() if folder.is_dir()}


@pytest.mark.parametrize(
    ("method", "stage", "anew"),
    [
        (Ease(max_items=99), "trial", True),
        (Popularity(), "fit", False),
        (baseline("bpr").model_copy(update={"epochs": 1, "tune": {}}), "fit", True),
    ],
    ids=["chosen", "counted", "stopped"],
)
def test_it_is_in_the_keys_where_it_matters(
    method: Method, stage: str, anew: bool, corpus: Corpus, tmp_path: Any
) -> None:
    store = Store(tmp_path / "store", lambda _: None, 0)
    data = store.stage("data", lambda _: Lineage.none(), config={}, code=())
    first = keys(method, corpus, store, data, stage)
    assert keys(method, corpus, store, data, stage) == first
    both = keys(method, corpus.with_validation(exclude_seen=False), store, data, stage)
    assert len(both) == (2 if anew else 1) * len(first)


def test_a_rating_has_no_lists() -> None:
    assert Bias().capabilities[0] != "recommend"
    assert not Bias.validates_during_fit
