"""Sampled predictions: random by the seed, wrong ones among them, with the target's rank."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from p5rec.core.rng import id_keys
from p5rec.core.types import Corpus, RankedLists
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.evaluate.samples import family_samples, list_samples, sample_rows
from p5rec.tasks.item_names import ItemNames
from p5rec.tasks.predictions import KINDS, Predictions
from p5rec.tasks.view import CorpusView


def test_half_of_the_samples_are_correct_where_possible() -> None:
    correct = np.arange(20) < 3
    for n, hits in ((4, 2), (6, 3), (10, 3), (20, 3), (40, 3)):
        rows = sample_rows(correct, n, id_keys(range(20)), 0, "x")
        assert len(rows) == len(set(rows)) == min(n, 20)
        assert [row < 3 for row in rows] == [True] * hits + [False] * (len(rows) - hits)
    assert sum(row < 18 for row in sample_rows(np.arange(20) < 18, 8, id_keys(range(20)), 0)) == 6
    assert len(sample_rows(None, 5, id_keys(range(20)), 0)) == 5
    assert sample_rows(correct, 0, id_keys(range(20)), 0) == []


def test_the_sample_depends_on_seed_and_name() -> None:
    correct = np.arange(100) % 2 == 0
    first = sample_rows(correct, 10, id_keys(range(100)), 0, "test")
    assert first == sample_rows(correct, 10, id_keys(range(100)), 0, "test")
    assert first != list(range(10))
    assert first != sample_rows(correct, 10, id_keys(range(100)), 1, "test")
    assert first != sample_rows(correct, 10, id_keys(range(100)), 0, "valid")
    # a method with other correct predictions shows the same queries where possible
    assert set(first) & set(sample_rows(~correct, 10, id_keys(range(100)), 0, "test"))


def test_list_samples_have_the_rank_of_the_target(
    corpus: Corpus, ranked_at: Callable[..., RankedLists]
) -> None:
    samples = list_samples("m", ranked_at(0, 3, 0, 10), corpus, 4, seed=0)
    assert [sample.correct for sample in samples] == [True, True, False, False]
    by_user = {sample.query["user"]: sample for sample in samples}
    assert {user: s.rank for user, s in by_user.items()} == {"a": None, "b": 3, "c": None, "d": 10}
    assert {sample.depth for sample in samples} == {10}
    assert by_user["b"].prediction[2] == by_user["b"].target == "Title 21"
    assert by_user["b"].query["latest"].endswith("Title 4; Title 5")


def test_a_rank_beyond_the_shown_titles_is_a_miss(
    corpus: Corpus, ranked_at: Callable[..., RankedLists]
) -> None:
    lists = ranked_at(0, 0, 0, 0)
    items = np.concatenate([lists.items, np.full((4, 2), -1, dtype=np.int32)], axis=1)
    items[0, 11] = 20
    longer = RankedLists(lists.users, items, np.zeros(items.shape, dtype=np.float32))
    (first,) = (s for s in list_samples("m", longer, corpus, 4, 0) if s.query["user"] == "a")
    assert (first.correct, first.rank, first.depth, len(first.prediction)) == (False, 12, 12, 10)


@pytest.fixture(scope="module")
def view() -> CorpusView:
    synthetic = {"kind": "markov", "users": 30, "items": 24, "events": 8}
    corpus = build(DataConfig(source="synthetic", synthetic=synthetic))[0]
    return CorpusView(corpus, ItemNames([f"<{n}>" for n in range(24)], corpus.catalog.titles))


def predicted(kind: str, **changes: Any) -> Predictions:
    fields = {
        "family": "f", "task": "t", "prompt_ids": ("f.x.v1",),
        "users": [0, 1], "items": [4, 5], "events": [7, 15], "expected": ["yes", "no"], **changes,
    }  # fmt: skip
    return KINDS[kind](**fields)


def judged(view: CorpusView, predictions: Predictions) -> list[bool | None]:
    return [sample.correct for sample in family_samples("m", predictions, view, 2, 0)]


def test_each_kind_of_prediction_has_its_own_rule(view: CorpusView) -> None:
    assert judged(view, predicted("yesno", texts=["Yes.", "who knows"])) == [True, False]
    assert judged(view, predicted("options", lists=[[4, 9], [9, 5]])) == [True, False]
    assert judged(view, predicted("item", lists=[[9, 4], [9, 8]])) == [True, False]
    assert judged(view, predicted("rating", texts=["4", "2"], ratings=[4.0, 2.0])) == [None, None]
    listed = family_samples("m", predicted("options", lists=[[4, 9], [9, 5]]), view, 2, 0)
    assert [(s.rank, s.depth) for s in listed] == [(1, 2), (2, 2)]


def test_a_text_is_judged_by_the_attributes_it_mentions(view: CorpusView) -> None:
    catalog = view.corpus.catalog
    words = [v for a in catalog.attributes for v in catalog.values(a)[4]]
    others = [v for a in catalog.attributes for v in catalog.values(a)[5] if v not in words]
    texts = [f"It has {words[0]}.", f"It has {next(o for o in others)}."]
    about = predicted("text", texts=texts, items=[4, 4], expected=["x", "y"])
    assert judged(view, about) == [True, False]
    assert judged(view, predicted("text", texts=["nothing named", " "])) == [True, False]
    titles = predicted(
        "text", texts=["A title", "Other"], expected=["A  title", "B"], users=[-1, -1]
    )
    assert judged(view, titles) == [True, False]
