"""Answers of a rating family: one entry a reading, all on the same rows, each with its name."""

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
from p5rec.recommend.histories import READ
from p5rec.tasks.predictions import Ratings
from p5rec.tasks.view import CorpusView, ItemNames

RATINGS = [5.0, 1.0, 3.0, 4.0]


@pytest.fixture(scope="module")
def view() -> CorpusView:
    world = {"kind": "markov", "users": 30, "items": 24, "events": 8}
    corpus = build(DataConfig(source="synthetic", synthetic=world))[0]
    return CorpusView(corpus, ItemNames([f"<{n}>" for n in range(24)], corpus.catalog.titles))


def answers(**changes: Any) -> Ratings:
    given = {
        "family": "rating", "task": "rating", "prompt_ids": ("rating.x.v1",),
        "users": [0, 1, 2, 3], "items": [4, 5, 6, 7], "events": [7, 15, 23, 31],
        "expected": ["5", "1", "3", "4"], "ratings": RATINGS, "texts": ["5", "no", "2", "4"],
        "readings": {"regression": [4.0, 2.0, 3.0, 4.0], "words": [9.0, 1.0, 3.0, 4.0]},
        **changes,
    }  # fmt: skip
    return Ratings(**given)


def test_every_reading_is_an_entry_on_the_same_rows(view: CorpusView) -> None:
    found = measure_predictions("m", answers(), view, {"split": "test", "seed": 0})
    assert [entry.method.name for entry in found] == ["m (regression)", "m (words)", "m (text)"]
    rmse = [entry.method.metrics["RMSE"].value for entry in found]
    # the text that cannot be read counts as the middle of the scale
    assert rmse == pytest.approx([0.5**0.5, 0.0, ((2**2 + 1) / 4) ** 0.5])
    assert [entry.method.invalid_rate for entry in found] == [0, 0, 0.25]
    assert {entry.method.task for entry in found} == {"rating"}
    difference = compare(found[1], found[0], "RMSE", 0)
    assert difference.value == pytest.approx(-(0.5**0.5))


def test_forms_of_the_task_stand_side_by_side(view: CorpusView) -> None:
    """Another family of the task, of a model without taught words, against the first one."""
    run = {"split": "test", "seed": 0}
    first = measure_predictions("m", answers(form="rating"), view, dict(run))
    other = answers(family="rating-statistics", form="rating-statistics", texts=[])
    found = measure_predictions("m", other, view, dict(run))
    names = ["m (regression, rating-statistics)", "m (words, rating-statistics)"]
    assert [entry.method.name for entry in found] == names
    pair = ("m (regression, rating-statistics)", "m (words, rating)")
    (told,) = comparisons([*first, *found], [pair], seed=0)
    assert (told.a, told.b, told.metric) == (*pair, "RMSE")
    shown = family_samples("m", other, view, 4, seed=0)
    assert shown[0].answer == ["regression 4.00", "words 9.00"]
    assert family_samples("m", answers(), view, 4, seed=0)[1].answer == ["no"]


def test_what_was_learned_from_is_told_of_histories_too(view: CorpusView) -> None:
    run = {"split": "test", "seed": 0, "about": {"learned": "those of 0.2 of the users"}}
    asked = answers(family="rating-sequence", prompt_ids=(), texts=[], read=READ)
    about = measure_predictions("m", asked, view, run)[0].method.about
    assert about["learned"] == "those of 0.2 of the users"
    assert about["read"] == "the history with its ratings, and the item"
    assert "prompts" not in about


def test_ratings_are_sliced_by_item_and_user(view: CorpusView) -> None:
    found = measure_predictions("m", answers(), view, {"split": "test", "seed": 0})[0].method
    assert sum(part.n for name, part in found.slices.items() if "item" in name) == 4
    shown = {metric for part in found.slices.values() for metric in part.metrics}
    assert shown == {"RMSE", "MAE"}
    rmse = [(p.n, p.metrics["RMSE"].value) for n, p in found.slices.items() if "item" in n and p.n]
    assert sum(n * value**2 for n, value in rmse) == pytest.approx(2)


def test_readings_are_called_by_name_in_comparisons() -> None:
    def check(*names: str) -> None:
        recipe = SimpleNamespace(
            ids={"semantic": IdsConfig()},
            baselines=(),
            methods={"m": Generative(train={"tasks": {"rating": {}, "rating-sequence": {}}})},
            evaluate=EvaluateConfig(ask={"rating": 5, "rating-sequence": 5}, compare=[names]),
        )
        check_names(recipe)

    check("m (mean, rating-sequence)", "m (text)")
    check("m (class)", "mf")
    for wrong, near in (("m (worsd)", r"m \(words\)"), ("m (text, rated)", r"m \(text, rating\)")):
        with pytest.raises(UserError, match=f"did you mean '{near}'"):
            check("m (mean)", wrong)
