"""What is loaded has the capabilities that its config names, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fits import Fits
from tiny_models import scratch

from p5rec.core.errors import UserError
from p5rec.core.types import Corpus, ItemCodes
from p5rec.data.split import cases
from p5rec.methods.base import Method
from p5rec.methods.baselines.text_rows import asked_rows
from p5rec.methods.generative.method import Generative
from p5rec.methods.predictors import EmbedsItems, PredictsClicks, PredictsRatings, Recommends
from p5rec.methods.registry import METHODS
from p5rec.prompting.sample import sample_view
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import unnamed_view

QUERIES = ("recommend", "predict_rating", "predict_click", "write")
PROTOCOLS = {
    "recommend": Recommends,
    "predict_rating": PredictsRatings,
    "predict_click": PredictsClicks,
}
WROTE = ("most-frequent", "most-frequent-of-item", "nearest-review")
SMALL: dict[str, dict[str, Any]] = {  # what a kind is not by default: quick, or told its task
    "bpr": {"factors": 4, "epochs": 1},
    "sasrec": {"width": 4, "heads": 1, "epochs": 1},
    "lead-sentence": {"task": "summary"},
    **{kind: {"task": "explanation"} for kind in WROTE},
}
MIXES = (("dense",), ("dense", "rating", "explanation"), ("dense-rating",), ("rating", "summary"))


def generative(*tasks: str) -> Generative:
    train = {"tasks": {task: {} for task in tasks}, "steps": 1, "batch": 2, "precision": "float32"}
    backbone = scratch(width=8, layers=1, feedforward=8)
    return Generative.model_validate({"backbone": backbone, "train": train})


BASELINES = {kind: SMALL.get(kind, {}) for kind in METHODS if kind != Generative().kind}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return sample_view().corpus


@pytest.fixture
def fits(corpus: Corpus, tmp_path: Path) -> Fits:
    rows = np.arange(len(corpus.catalog))
    return Fits.of(corpus, ItemCodes(np.stack([rows // 3, rows % 3], 1), (3, 3), "plain"), tmp_path)


def check(method: Method, model: Any) -> None:
    """Whether a loaded model offers what its config says."""
    assert {name for name in QUERIES if hasattr(model, name)} == {*method.capabilities}
    for name, protocol in PROTOCOLS.items():
        assert isinstance(model, protocol) == (name in method.capabilities)
    assert isinstance(model, EmbedsItems) == method.embeds_items
    asked = {TASKS.get(task).capability for task in method.tasks if not method.prompted}
    assert asked <= {*method.capabilities}


@pytest.mark.parametrize("kind", BASELINES)
def test_a_baseline_offers_what_it_names(kind: str, fits: Fits, corpus: Corpus) -> None:
    method = METHODS.get(kind)(**{"tune": {}, **BASELINES[kind]})
    fitted = fits.fit(method)
    model = method.load(fitted.folder)
    check(method, model)
    histories, targets, events = cases(corpus.interactions, corpus.split, "test")
    for name in ("predict_rating", "predict_click"):
        if name in method.capabilities:
            assert getattr(model, name)(histories, targets).shape == targets.shape
    if "recommend" in method.capabilities:
        assert model.recommend(histories, 2).items.shape == (len(histories), 2)
    if "write" in method.capabilities:
        rows = asked_rows(unnamed_view(corpus), method.tasks[0], events, 20)
        assert len(model.write(rows)) == len(events)
    if method.embeds_items:
        assert len(model.item_vectors()) == len(corpus.catalog)


@pytest.mark.parametrize("tasks", MIXES, ids="+".join)
def test_a_language_model_offers_what_it_was_trained_on(
    tasks: tuple[str, ...], fits: Fits, corpus: Corpus
) -> None:
    method = generative(*tasks)
    model = method.load(fits.fit(method).folder)
    check(method, model)
    assert hasattr(model, "recommend") == ("dense" in tasks)
    ways = {"ratings": {"rating", "dense-rating"}, "explanations": {"explanation"}}
    for what, taught in ways.items():
        if taught & {*tasks}:
            assert len(model.of_pairs(what, corpus)(np.array([0, 1]), np.array([2, 3]))) == 2
            continue
        with pytest.raises(UserError, match="expected a model taught"):
            model.of_pairs(what, corpus)


def test_what_makes_no_lists_says_so(fits: Fits) -> None:
    generative("dense").check_ranks()
    METHODS.get("popularity")().check_ranks()
    with pytest.raises(UserError, match="expected a model taught 'dense', got one taught rating;"):
        generative("rating").check_ranks()
    with pytest.raises(UserError, match="expected a method that ranks items, got a bias;"):
        METHODS.get("bias")().check_ranks()
