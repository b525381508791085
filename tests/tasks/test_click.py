"""Clicks: every held-out event beside an item its user has not met, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from p5rec.core.features import Users
from p5rec.core.types import Catalog, Corpus, Interactions, Split
from p5rec.data.available import ALWAYS, Available
from p5rec.data.build import build as built
from p5rec.data.config import DataConfig
from p5rec.evaluate.families import measure_predictions
from p5rec.methods.base import VALIDATION
from p5rec.methods.baselines.click_rate import ItemClickRate, expected_draws
from p5rec.methods.predictors import PredictsClicks
from p5rec.methods.registry import METHODS
from p5rec.tasks.predictions import Clicks, read_predictions
from p5rec.tasks.questions import histories_before, pose
from p5rec.tasks.view import CorpusView, unnamed_view


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    world = {"kind": "markov", "users": 40, "items": 25, "events": 8}
    return built(DataConfig(source="synthetic", synthetic=world))[0]


@pytest.fixture(scope="module")
def view(corpus: Corpus) -> CorpusView:
    return unnamed_view(corpus)


def test_every_event_is_asked_about_as_it_is_and_with_a_drawn_item(
    corpus: Corpus, view: CorpusView
) -> None:
    asked = pose("click", view, "test", 20, seed=3)
    assert isinstance(asked, Clicks)
    log = corpus.interactions
    events, items = np.array(asked.events), np.array(asked.items)
    assert asked.clicked == [True, False] * 20
    assert asked.expected == ["yes", "no"] * 20
    assert (events[::2] == events[1::2]).all()
    assert (corpus.split.of_event[events] == 2).all()
    assert (items[::2] == log.items[events[::2]]).all()
    for user, item in zip(asked.users[1::2], items[1::2], strict=True):
        assert item not in view.user_items(user)
    assert pose("click", view, "test", 20, seed=3) == asked
    assert pose("click", view, "test", 20, seed=4) != asked


def test_a_question_depends_on_its_own_event_alone(view: CorpusView) -> None:
    few, all_ = (pose("click", view, "test", n, seed=3) for n in (10, None))
    by_event = dict(zip(zip(all_.events, all_.clicked, strict=True), all_.items, strict=True))
    asked = zip(zip(few.events, few.clicked, strict=True), few.items, strict=True)
    assert all(by_event[which] == item for which, item in asked)


def test_histories_end_before_the_event(corpus: Corpus, view: CorpusView) -> None:
    asked = pose("click", view, "test", 5, seed=0)
    histories = histories_before(view, np.array(asked.events))
    log = corpus.interactions
    for n, event in enumerate(asked.events):
        start = log.offsets[log.users[event]]
        assert histories[n].tolist() == log.items[start:event].tolist()
        assert histories.users[n] == log.users[event]


def test_answers_are_stored_and_read_by_their_kind(view: CorpusView, tmp_path: Path) -> None:
    asked = pose("click", view, "test", 5, seed=0)
    done = asked.answered(np.linspace(0, 1, 10, dtype=np.float32), seconds=1.5)
    (tmp_path / "it.json").write_text(done.model_dump_json())
    assert read_predictions(tmp_path / "it.json") == done
    assert done.unanswered() == asked
    assert done.shown(9) == ["1.000"]


def test_expected_draws_are_what_drawing_gives_in_the_mean() -> None:
    rng = np.random.default_rng(0)
    users, items, times = (rng.integers(n, size=60) for n in (8, 12, 9))
    for since in (np.full(12, ALWAYS), rng.integers(0, 9, 12), np.full(12, 99)):
        counts, available = np.zeros(12), Available(since)
        for user, time in zip(users, times, strict=True):
            could = np.flatnonzero(available.at(time))
            if len(unmet := np.setdiff1d(could, items[users == user])):
                counts[unmet] += 1 / len(unmet)
        found = expected_draws(users, items, times, available)
        np.testing.assert_allclose(found, counts, atol=1e-12)
    always = Available(np.full(3, ALWAYS))
    everything = expected_draws(np.zeros(3, np.int64), np.arange(3), np.zeros(3), always)
    assert everything.tolist() == [0, 0, 0]


def test_rates_are_shares_and_survive_saving(build: Callable, tmp_path: Path) -> None:
    # user 0 draws items 2 and 3 once each in the mean, user 1 items 1, 2 and 3 twice in all
    log, split = build([[0, 1], [0, 0]], 4)
    model = ItemClickRate(smoothing=2.0).learn(log, split)
    draws = np.array([0, 2 / 3, 1 + 2 / 3, 1 + 2 / 3])
    wanted = (np.array([3, 1, 0, 0]) + 1) / (np.array([3, 1, 0, 0]) + draws + 2)
    np.testing.assert_allclose(model.rates, wanted, rtol=1e-6)
    assert isinstance(model, PredictsClicks)
    model.save(tmp_path)
    loaded = ItemClickRate().load(tmp_path)
    np.testing.assert_array_equal(loaded.rates, model.rates)
    assert loaded.predict_click(None, np.array([0])).dtype == np.float32
    with pytest.raises(ValueError, match="item rows 0 to 3"):
        loaded.predict_click(None, np.array([4]))


def test_validation_measures_clicks_by_their_area(corpus: Corpus) -> None:
    value = VALIDATION.get("predict_click")(corpus)
    points = METHODS.get("item-click-rate")().points()
    assert len(points) == 5
    model = points[0].learn(corpus.interactions, corpus.split)
    assert 0.3 < value(model) < 1
    wise = type("Wise", (), {})()
    wise.predict_click = lambda histories, items: np.tile([1.0, 0.0], len(items) // 2)
    assert value(wise) == 1


def test_popular_items_are_told_from_others(build: Callable) -> None:
    rng, liked = np.random.default_rng(0), 1 / np.arange(1, 41)
    lists = [rng.choice(40, 8, replace=False, p=liked / liked.sum()) for _ in range(200)]
    log, split = build(lists, 40, held_out=2)
    names = [f"i{n}" for n in range(40)]
    users = [f"u{n}" for n in range(200)]
    skewed = Corpus(log, Catalog(pa.table({"item": names, "title": names})), Users.of(users), split)
    value = VALIDATION.get("predict_click")(skewed)
    assert value(ItemClickRate().learn(log, split)) > 0.65


def test_a_user_that_is_gone_changes_no_other_user_s_questions(corpus: Corpus) -> None:
    log = corpus.interactions
    early = np.lexsort((log.times, log.items))
    first = log.users[early[np.unique(log.items[early], return_index=True)[1]]]
    gone = int(np.setdiff1d(np.arange(log.n_users), first)[0])  # no item's time began with theirs
    kept = log.users != gone
    fewer = Interactions(
        users=log.users[kept] - (log.users[kept] > gone),
        items=log.items[kept],
        times=log.times[kept],
        ratings=None,
        user_keys=np.delete(log.user_keys, gone),
        item_keys=log.item_keys,
    )
    ids = [name for n, name in enumerate(corpus.user_ids) if n != gone]
    split = Split(corpus.split.name, corpus.split.of_event[kept], corpus.split.seed)
    left = Corpus(fewer, Catalog(corpus.catalog.table), Users.of(ids), split)
    found = []
    for each in (corpus, left):
        asked = pose("click", unnamed_view(each), "test", None, seed=1)
        users = [each.user_ids[user] for user in asked.users]
        found.append({*zip(users, asked.items, asked.clicked, strict=True)})
    assert found[1] == {question for question in found[0] if question[0] != corpus.user_ids[gone]}


def labelled(corpus: Corpus, label: np.ndarray) -> Corpus:
    return replace(corpus, interactions=replace(corpus.interactions, labels=label.astype(np.int8)))


def test_labelled_events_are_asked_about_and_nothing_is_drawn(corpus: Corpus) -> None:
    log, test = corpus.interactions, corpus.split.mask("test")
    labels = np.where(np.arange(len(log)) % 3 == 0, -1, log.items % 2)
    view = unnamed_view(labelled(corpus, labels))
    asked = pose("click", view, "test", None, seed=3)
    assert isinstance(asked, Clicks)
    assert asked.negatives == "labelled"
    assert asked.events == np.flatnonzero(test & (labels >= 0)).tolist()
    assert asked.items == log.items[asked.events].tolist()
    assert asked.clicked == (labels[asked.events] == 1).tolist()
    assert asked.expected == ["yes" if label else "no" for label in labels[asked.events]]
    drawn = pose("click", unnamed_view(corpus), "test", None, seed=3)
    assert isinstance(drawn, Clicks)
    assert drawn.negatives == "drawn"


def test_without_a_single_label_negatives_are_drawn(corpus: Corpus) -> None:
    unknown = labelled(corpus, np.full(len(corpus.interactions), -1))
    one, other = (pose("click", unnamed_view(each), "test", 9, 3) for each in (unknown, corpus))
    assert one == other


def test_the_report_says_which_negatives_there_are(corpus: Corpus) -> None:
    labels = corpus.interactions.items % 2
    for each, negatives in ((corpus, "drawn"), (labelled(corpus, labels), "labelled")):
        view = unnamed_view(each)
        asked: Any = pose("click", view, "test", None, 0)
        answered = asked.model_copy(update={"chances": [0.5] * len(asked.clicked)})
        (found,) = measure_predictions("even", answered, view, {"split": "test", "seed": 0})
        assert found.method.about["negatives"] == negatives


def test_rates_of_labelled_events(build: Callable) -> None:
    log, split = build([[0, 0, 1], [0, 1, 2]], 4)
    labels = np.array([1, 0, 1, 1, -1, 0], dtype=np.int8)
    rates = ItemClickRate(smoothing=1).learn(replace(log, labels=labels), split).rates
    rate = 3 / 5
    expected = [(2 + rate) / 4, (1 + rate) / 2, rate / 2, rate]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)
