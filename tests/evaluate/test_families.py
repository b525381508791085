"""Predictions of a rating family: one named entry for each estimator, on the same instances."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from p5rec.core.errors import UserError
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.evaluate.compare import compare, comparisons
from p5rec.evaluate.config import EvaluateConfig, check_names
from p5rec.evaluate.families import measure_predictions
from p5rec.evaluate.samples import family_samples
from p5rec.ids.config import IdsConfig
from p5rec.methods.generative.method import Generative
from p5rec.recommend.rating_sequences import SEQUENCE_INPUT
from p5rec.tasks.item_names import ItemNames
from p5rec.tasks.predictions import Choices, Clicks, RankedItems, Ratings, Verdicts
from p5rec.tasks.view import CorpusView

RATINGS = [5.0, 1.0, 3.0, 4.0]


@pytest.fixture(scope="module")
def view() -> CorpusView:
    synthetic = {"kind": "markov", "users": 30, "items": 24, "events": 8}
    corpus = build(DataConfig(source="synthetic", synthetic=synthetic))[0]
    return CorpusView(corpus, ItemNames([f"<{n}>" for n in range(24)], corpus.catalog.titles))


def ratings(**changes: Any) -> Ratings:
    fields = {
        "family": "rating", "task": "rating", "prompt_ids": ("rating.x.v1",),
        "users": [0, 1, 2, 3], "items": [4, 5, 6, 7], "events": [7, 15, 23, 31],
        "expected": ["5", "1", "3", "4"], "ratings": RATINGS, "texts": ["5", "no", "2", "4"],
        "estimates": {"regression": [4.0, 2.0, 3.0, 4.0], "words": [9.0, 1.0, 3.0, 4.0]},
        **changes,
    }  # fmt: skip
    return Ratings(**fields)


def test_every_estimator_is_an_entry_on_the_same_instances(view: CorpusView) -> None:
    entries = measure_predictions("m", ratings(), view, {"split": "test", "seed": 0})
    assert [entry.method.name for entry in entries] == ["m (regression)", "m (words)", "m (text)"]
    rmse = [entry.method.metrics["RMSE"].value for entry in entries]
    # a text without a rating counts as the middle of the scale
    assert rmse == pytest.approx([0.5**0.5, 0.0, ((2**2 + 1) / 4) ** 0.5])
    assert [entry.method.invalid_rate for entry in entries] == [0, 0, 0.25]
    assert {entry.method.task for entry in entries} == {"rating"}
    difference = compare(entries[1], entries[0], "RMSE", 0)
    assert difference.value == pytest.approx(-(0.5**0.5))


def test_two_forms_of_a_task_have_their_own_entries(view: CorpusView) -> None:
    """Another family of the task, for a model without text output, against the first one."""
    run = {"split": "test", "seed": 0}
    first = measure_predictions("m", ratings(form="rating"), view, dict(run))
    other = ratings(family="rating-statistics", form="rating-statistics", texts=[])
    entries = measure_predictions("m", other, view, dict(run))
    names = ["m (regression, rating-statistics)", "m (words, rating-statistics)"]
    assert [entry.method.name for entry in entries] == names
    pair = ("m (regression, rating-statistics)", "m (words, rating)")
    (comparison,) = comparisons([*first, *entries], [pair], seed=0)
    assert (comparison.a, comparison.b, comparison.metric) == (*pair, "RMSE")
    samples = family_samples("m", other, view, 4, seed=0)
    assert samples[0].prediction == ["regression 4.00", "words 9.00"]
    assert family_samples("m", ratings(), view, 4, seed=0)[1].prediction == ["no"]


def test_two_families_of_a_task_without_estimators_are_told_apart(view: CorpusView) -> None:
    fields = {"users": [0, 1], "items": [4, 5], "events": [7, 15], "expected": ["yes", "no"]}
    prompted = {"task": "sequential-yesno", "family": "again", "form": "again"}
    kinds = (
        RankedItems(**prompted, **fields, lists=[[4, 6], [7, 8]], scores=[[1.0, 0.0]] * 2),
        Choices(**prompted, **fields, lists=[[4, 6], [7, 5]], scores=[[1.0, 0.0]] * 2),
        Verdicts(**prompted, **fields, texts=["yes", "yes"]),
        Clicks(**prompted, **fields, clicked=[True, False], probabilities=[0.9, 0.2]),
    )
    for predictions in kinds:
        (entry,) = measure_predictions("m", predictions, view, {"split": "test", "seed": 0})
        assert entry.method.name == "m (again)"
        assert entry.method.about["family"] == "again"
    shown = kinds[0].model_copy(update={"form": ""})
    (entry,) = measure_predictions("m", shown, view, {"split": "test", "seed": 0})
    assert entry.method.name == "m"
    assert "family" not in entry.method.about


def test_training_data_and_model_input_are_in_the_entry(view: CorpusView) -> None:
    run = {"split": "test", "seed": 0, "about": {"trained_on": "those of 0.2 of the users"}}
    predictions = ratings(
        family="rating-sequence", prompt_ids=(), texts=[], model_input=SEQUENCE_INPUT
    )
    about = measure_predictions("m", predictions, view, run)[0].method.about
    assert about["trained_on"] == "those of 0.2 of the users"
    assert about["model_input"] == "the history with its ratings, and the item"
    assert "prompts" not in about


def test_ratings_are_sliced_by_item_and_user(view: CorpusView) -> None:
    entries = measure_predictions("m", ratings(), view, {"split": "test", "seed": 0})[0].method
    assert sum(own.n for name, own in entries.slices.items() if "item" in name) == 4
    sliced = {metric for own in entries.slices.values() for metric in own.metrics}
    assert sliced == {"RMSE", "MAE"}
    rmse = [
        (p.n, p.metrics["RMSE"].value) for n, p in entries.slices.items() if "item" in n and p.n
    ]
    assert sum(n * value**2 for n, value in rmse) == pytest.approx(2)


def test_comparisons_name_estimators() -> None:
    def check(*names: str) -> None:
        recipe = SimpleNamespace(
            ids={"semantic": IdsConfig()},
            baselines=(),
            methods={"m": Generative(train={"tasks": {"rating": {}, "rating-sequence": {}}})},
            evaluate=EvaluateConfig(prompts={"rating": 5, "rating-sequence": 5}, compare=[names]),
        )
        check_names(recipe)

    check("m (mean, rating-sequence)", "m (text)")
    check("m (class)", "mf")
    check("m (lists)", "m (rating)")
    check("m (mean, rating)", "bias (rating)")
    for wrong, near in (("m (worsd)", r"m \(words\)"), ("m (text, rated)", r"m \(text, rating\)")):
        with pytest.raises(UserError, match=f"did you mean '{near}'"):
            check("m (mean)", wrong)
