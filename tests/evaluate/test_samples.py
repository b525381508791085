"""Answers to look at: drawn by the seed, failures among them, the right item's place kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from p5rec.core.rng import id_keys
from p5rec.core.types import Corpus, RankedLists
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.evaluate.samples import draw, family_samples, list_samples
from p5rec.tasks.predictions import KINDS, Predictions
from p5rec.tasks.view import CorpusView, ItemNames


def test_half_are_right_as_far_as_there_are() -> None:
    right = np.arange(20) < 3
    for n, hits in ((4, 2), (6, 3), (10, 3), (20, 3), (40, 3)):
        rows = draw(right, n, id_keys(range(20)), 0, "x")
        assert len(rows) == len(set(rows)) == min(n, 20)
        assert [row < 3 for row in rows] == [True] * hits + [False] * (len(rows) - hits)
    assert sum(row < 18 for row in draw(np.arange(20) < 18, 8, id_keys(range(20)), 0)) == 6
    assert len(draw(None, 5, id_keys(range(20)), 0)) == 5
    assert draw(right, 0, id_keys(range(20)), 0) == []


def test_the_draw_follows_from_its_seed_and_name() -> None:
    right = np.arange(100) % 2 == 0
    first = draw(right, 10, id_keys(range(100)), 0, "test")
    assert first == draw(right, 10, id_keys(range(100)), 0, "test")
    assert first != list(range(10))
    assert first != draw(right, 10, id_keys(range(100)), 1, "test")
    assert first != draw(right, 10, id_keys(range(100)), 0, "valid")
    # a method that is right elsewhere still shows the same questions where it can
    assert set(first) & set(draw(~right, 10, id_keys(range(100)), 0, "test"))


def test_lists_tell_the_place_of_the_right_item(
    corpus: Corpus, at_places: Callable[..., RankedLists]
) -> None:
    shown = list_samples("m", at_places(0, 3, 0, 10), corpus, 4, seed=0)
    assert [sample.right for sample in shown] == [True, True, False, False]
    by_user = {sample.asked["user"]: sample for sample in shown}
    assert {user: s.rank for user, s in by_user.items()} == {"a": None, "b": 3, "c": None, "d": 10}
    assert {sample.depth for sample in shown} == {10}
    assert by_user["b"].answer[2] == by_user["b"].expected == "Title 21"
    assert by_user["b"].asked["latest"].endswith("Title 4; Title 5")


def test_a_place_beyond_those_shown_is_a_miss_and_told(
    corpus: Corpus, at_places: Callable[..., RankedLists]
) -> None:
    lists = at_places(0, 0, 0, 0)
    items = np.concatenate([lists.items, np.full((4, 2), -1, dtype=np.int32)], axis=1)
    items[0, 11] = 20
    longer = RankedLists(lists.users, items, np.zeros(items.shape, dtype=np.float32))
    (first,) = (s for s in list_samples("m", longer, corpus, 4, 0) if s.asked["user"] == "a")
    assert (first.right, first.rank, first.depth, len(first.answer)) == (False, 12, 12, 10)


@pytest.fixture(scope="module")
def view() -> CorpusView:
    world = {"kind": "markov", "users": 30, "items": 24, "events": 8}
    corpus = build(DataConfig(source="synthetic", synthetic=world))[0]
    return CorpusView(corpus, ItemNames([f"<{n}>" for n in range(24)], corpus.catalog.titles))


def asked(answer: str, **changes: Any) -> Predictions:
    given = {
        "family": "f", "task": "t", "prompt_ids": ("f.x.v1",),
        "users": [0, 1], "items": [4, 5], "events": [7, 15], "expected": ["yes", "no"], **changes,
    }  # fmt: skip
    return KINDS[answer](**given)


def judged(view: CorpusView, answers: Predictions) -> list[bool | None]:
    return [sample.right for sample in family_samples("m", answers, view, 2, 0)]


def test_each_kind_of_answer_is_judged_by_its_own_rule(view: CorpusView) -> None:
    assert judged(view, asked("yesno", texts=["Yes.", "who knows"])) == [True, False]
    assert judged(view, asked("options", lists=[[4, 9], [9, 5]])) == [True, False]
    assert judged(view, asked("item", lists=[[9, 4], [9, 8]])) == [True, False]
    assert judged(view, asked("rating", texts=["4", "2"], ratings=[4.0, 2.0])) == [None, None]
    listed = family_samples("m", asked("options", lists=[[4, 9], [9, 5]]), view, 2, 0)
    assert [(s.rank, s.depth) for s in listed] == [(1, 2), (2, 2)]


def test_a_text_is_judged_by_what_it_names(view: CorpusView) -> None:
    catalog = view.corpus.catalog
    words = [v for a in catalog.attributes for v in catalog.values(a)[4]]
    others = [v for a in catalog.attributes for v in catalog.values(a)[5] if v not in words]
    texts = [f"It has {words[0]}.", f"It has {next(o for o in others)}."]
    about = asked("text", texts=texts, items=[4, 4], expected=["x", "y"])
    assert judged(view, about) == [True, False]
    assert judged(view, asked("text", texts=["nothing named", " "])) == [True, False]
    titles = asked("text", texts=["A title", "Other"], expected=["A  title", "B"], users=[-1, -1])
    assert judged(view, titles) == [True, False]
