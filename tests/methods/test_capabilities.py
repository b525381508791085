"""A loaded predictor has the capabilities that its config names, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fits import Fits
from method_kinds import BASELINES, baseline_of, generative, sample_fits

from p5rec.core.errors import UserError
from p5rec.data.split import instances
from p5rec.methods.base import Method
from p5rec.methods.baselines.text_examples import query_examples
from p5rec.methods.contract import capability_errors
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import unnamed_view

MIXES = (
    ("next-item",),
    ("next-item", "rating", "explanation"),
    ("rating-sequence",),
    ("rating", "summary"),
)


@pytest.fixture
def fits(tmp_path: Path) -> Fits:
    return sample_fits(tmp_path)


def check(method: Method, model: Any) -> None:
    """Checks a loaded model against its config."""
    assert not list(capability_errors(method, model))
    capabilities = {TASKS.get(task).capability for task in method.tasks if not method.prompted}
    assert capabilities <= {*method.capabilities}


@pytest.mark.parametrize("kind", BASELINES)
def test_a_baseline_has_its_capabilities(kind: str, fits: Fits) -> None:
    method, corpus = baseline_of(kind), fits.prepared.corpus
    fitted = fits.fit(method)
    model = method.load(fitted.folder)
    check(method, model)
    histories, targets, events = instances(corpus.interactions, corpus.split, "test")
    for name in ("predict_rating", "predict_click"):
        if name in method.capabilities:
            assert getattr(model, name)(histories, targets).shape == targets.shape
    if "recommend" in method.capabilities:
        assert model.recommend(histories, 2).items.shape == (len(histories), 2)
    if "write" in method.capabilities:
        rows = query_examples(unnamed_view(corpus), method.tasks[0], events, 20)
        assert len(model.write(rows)) == len(events)
    if method.embeds_items:
        assert len(model.item_vectors()) == len(corpus.catalog)


@pytest.mark.parametrize("tasks", MIXES, ids="+".join)
def test_a_language_model_has_the_capabilities_of_its_tasks(
    tasks: tuple[str, ...], fits: Fits
) -> None:
    method, corpus = generative(*tasks), fits.prepared.corpus
    model = method.load(fits.fit(method).folder)
    check(method, model)
    assert hasattr(model, "recommend") == ("next-item" in tasks)
    outputs = {"ratings": {"rating", "rating-sequence"}, "explanations": {"explanation"}}
    for what, tasks_of_output in outputs.items():
        if tasks_of_output & {*tasks}:
            assert len(model.of_pairs(what, corpus)(np.array([0, 1]), np.array([2, 3]))) == 2
            continue
        with pytest.raises(UserError, match="expected a model trained on"):
            model.of_pairs(what, corpus)


def test_a_method_that_does_not_rank_is_refused() -> None:
    generative("next-item").check_ranks()
    baseline_of("popularity").check_ranks()
    with pytest.raises(
        UserError, match="expected a model trained on 'next-item', got one trained on rating;"
    ):
        generative("rating").check_ranks()
    with pytest.raises(UserError, match="expected a method that ranks items, got a bias;"):
        baseline_of("bias").check_ranks()
