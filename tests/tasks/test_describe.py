"""The open-ended tasks: what a text about an item or a user may show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_corpora import make_view

from p5rec.core.types import TRAIN
from p5rec.tasks.record_builder import Limits
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView


@pytest.fixture(scope="module")
def view() -> CorpusView:
    return make_view()


def titles(record: object, name: str) -> set[str]:
    value = record.values[name]  # type: ignore[attr-defined]
    return {each if isinstance(each, str) else each[0] for each in value}


def with_profile(view: CorpusView, profile: np.ndarray) -> CorpusView:
    corpus = view.corpus
    return CorpusView(replace(corpus, split=replace(corpus.split, profile=profile)), view.names)


def test_an_item_is_described_by_title_and_attributes(view: CorpusView) -> None:
    task = TASKS.get("describe-item")
    record = task.build(view, 2, np.random.default_rng(0), Limits())
    assert record.values["title"] == view.names.titles[2]
    assert record.values["attributes"] == view.attribute_text(2)
    assert task.keys(view)[2] == view.corpus.interactions.item_keys[2]


def test_a_user_is_described_by_training_events(view: CorpusView) -> None:
    task, log = TASKS.get("describe-user"), view.corpus.interactions
    for user in range(log.n_users):
        record = task.build(view, user, np.random.default_rng(0), Limits(max_history=100))
        own = (log.users == user) & (view.corpus.split.of_event == TRAIN)
        seen = {view.names.titles[item] for item in log.items[own].tolist()}
        assert titles(record, "history_titles") == seen
        assert titles(record, "rated_titles") <= seen
        assert titles(record, "liked_titles") <= seen
    assert task.keys(view)[1] == log.user_keys[1]


def test_only_profile_events_are_shown_if_the_split_has_some(view: CorpusView) -> None:
    split, log = view.corpus.split, view.corpus.interactions
    first = np.zeros(len(log), dtype=bool)
    first[log.offsets[:-1]] = split.of_event[log.offsets[:-1]] == TRAIN
    profiled = with_profile(view, first)
    record = TASKS.get("describe-user").build(profiled, 0, np.random.default_rng(0), Limits())
    assert titles(record, "history_titles") == {view.names.titles[log.items[log.offsets[0]]]}
    assert len(record.mentions) == 1


def test_nothing_is_trained_or_evaluated(view: CorpusView) -> None:
    for name in ("describe-item", "describe-user"):
        for split_name in ("train", "valid", "test"):
            assert not len(TASKS.get(name).rows(view, split_name))
            assert "no data have targets" in str(TASKS.get(name).unavailable(view, split_name))
