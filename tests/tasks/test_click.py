"""Click prediction: queries with sampled or labelled negatives, baseline and metrics."""

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
from p5rec.methods.baselines.click_rate import ItemClickRate, expected_negatives
from p5rec.methods.predictors import PredictsClicks
from p5rec.methods.registry import METHODS
from p5rec.tasks.predictions import Clicks, read_predictions
from p5rec.tasks.queries import histories_before, sample_queries
from p5rec.tasks.view import CorpusView, unnamed_view


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    synthetic = {"kind": "markov", "users": 40, "items": 25, "events": 8}
    return built(DataConfig(source="synthetic", synthetic=synthetic))[0]


@pytest.fixture(scope="module")
def view(corpus: Corpus) -> CorpusView:
    return unnamed_view(corpus)


def test_every_event_gives_a_positive_and_a_sampled_negative(
    corpus: Corpus, view: CorpusView
) -> None:
    queries = sample_queries("click", view, "test", 20, seed=3)
    assert isinstance(queries, Clicks)
    log = corpus.interactions
    events, items = np.array(queries.events), np.array(queries.items)
    assert queries.clicked == [True, False] * 20
    assert queries.expected == ["yes", "no"] * 20
    assert (events[::2] == events[1::2]).all()
    assert (corpus.split.of_event[events] == 2).all()
    assert (items[::2] == log.items[events[::2]]).all()
    for user, item in zip(queries.users[1::2], items[1::2], strict=True):
        assert item not in view.user_items(user)
    assert sample_queries("click", view, "test", 20, seed=3) == queries
    assert sample_queries("click", view, "test", 20, seed=4) != queries


def test_a_query_depends_on_its_own_event_alone(view: CorpusView) -> None:
    few, all_ = (sample_queries("click", view, "test", n, seed=3) for n in (10, "all"))
    by_event = dict(zip(zip(all_.events, all_.clicked, strict=True), all_.items, strict=True))
    queries = zip(zip(few.events, few.clicked, strict=True), few.items, strict=True)
    assert all(by_event[which] == item for which, item in queries)


def test_histories_end_before_the_event(corpus: Corpus, view: CorpusView) -> None:
    queries = sample_queries("click", view, "test", 5, seed=0)
    histories = histories_before(view, "click", np.array(queries.events))
    log = corpus.interactions
    for n, event in enumerate(queries.events):
        start = log.offsets[log.users[event]]
        assert histories[n].tolist() == log.items[start:event].tolist()
        assert histories.users[n] == log.users[event]


def test_predictions_are_restored_by_kind(view: CorpusView, tmp_path: Path) -> None:
    queries = sample_queries("click", view, "test", 5, seed=0)
    predictions = queries.with_predictions(np.linspace(0, 1, 10, dtype=np.float32), seconds=1.5)
    (tmp_path / "it.json").write_text(predictions.model_dump_json())
    assert read_predictions(tmp_path / "it.json") == predictions
    assert predictions.queries_only() == queries
    assert predictions.describe(9) == ["1.000"]


def test_expected_draws_match_the_mean_of_sampling() -> None:
    rng = np.random.default_rng(0)
    users, items, times = (rng.integers(n, size=60) for n in (8, 12, 9))
    for since in (np.full(12, ALWAYS), rng.integers(0, 9, 12), np.full(12, 99)):
        counts, available = np.zeros(12), Available(since)
        for user, time in zip(users, times, strict=True):
            could = np.flatnonzero(available.at(time))
            if len(unmet := np.setdiff1d(could, items[users == user])):
                counts[unmet] += 1 / len(unmet)
        draws = expected_negatives(users, items, times, available)
        np.testing.assert_allclose(draws, counts, atol=1e-12)
    always = Available(np.full(3, ALWAYS))
    everything = expected_negatives(np.zeros(3, np.int64), np.arange(3), np.zeros(3), always)
    assert everything.tolist() == [0, 0, 0]


def test_rates_are_shares_and_are_restored(build: Callable, tmp_path: Path) -> None:
    # user 0 has met the trained items, user 1 draws item 1 twice; the others are no negatives
    log, split = build([[0, 1], [0, 0]], 4)
    model = ItemClickRate(smoothing=2.0).learn(log, split)
    draws = np.array([0, 2, 0, 0])
    wanted = (np.array([3, 1, 0, 0]) + 1) / (np.array([3, 1, 0, 0]) + draws + 2)
    np.testing.assert_allclose(model.rates, wanted, rtol=1e-6)
    assert isinstance(model, PredictsClicks)
    model.save(tmp_path)
    loaded = ItemClickRate().load(tmp_path)
    np.testing.assert_array_equal(loaded.rates, model.rates)
    assert loaded.predict_click(None, np.array([0])).dtype == np.float32
    with pytest.raises(ValueError, match="item rows 0 to 3"):
        loaded.predict_click(None, np.array([4]))


def test_validation_metric_of_clicks_is_auc(corpus: Corpus) -> None:
    value = VALIDATION.get("predict_click")(corpus)
    points = METHODS.get("item-click-rate")().points()
    assert len(points) == 5
    model = points[0].learn(corpus.interactions, corpus.split)
    assert 0.3 < value(model) < 1
    oracle = type("Oracle", (), {})()
    oracle.predict_click = lambda histories, items: np.tile([1.0, 0.0], len(items) // 2)
    assert value(oracle) == 1


def test_popular_items_are_separated_from_others(build: Callable) -> None:
    rng, liked = np.random.default_rng(0), 1 / np.arange(1, 41)
    lists = [rng.choice(40, 8, replace=False, p=liked / liked.sum()) for _ in range(200)]
    log, split = build(lists, 40, held_out=2)
    names = [f"i{n}" for n in range(40)]
    users = [f"u{n}" for n in range(200)]
    skewed = Corpus(log, Catalog(pa.table({"item": names, "title": names})), Users.of(users), split)
    value = VALIDATION.get("predict_click")(skewed)
    assert value(ItemClickRate().learn(log, split)) > 0.65


def test_removing_a_user_changes_no_other_user_s_queries(corpus: Corpus) -> None:
    log = corpus.interactions
    early = np.lexsort((log.times, log.items))
    first = log.users[early[np.unique(log.items[early], return_index=True)[1]]]
    removed = int(
        np.setdiff1d(np.arange(log.n_users), first)[0]
    )  # no item has its first event with this user
    rest = log.users != removed
    fewer = Interactions(
        users=log.users[rest] - (log.users[rest] > removed),
        items=log.items[rest],
        times=log.times[rest],
        ratings=None,
        user_keys=np.delete(log.user_keys, removed),
        item_keys=log.item_keys,
    )
    ids = [name for n, name in enumerate(corpus.user_ids) if n != removed]
    split = Split(corpus.split.name, corpus.split.of_event[rest], corpus.split.seed)
    left = Corpus(fewer, Catalog(corpus.catalog.table), Users.of(ids), split)
    by_corpus = []
    for each in (corpus, left):
        queries = sample_queries("click", unnamed_view(each), "test", "all", seed=1)
        users = [each.user_ids[user] for user in queries.users]
        by_corpus.append({*zip(users, queries.items, queries.clicked, strict=True)})
    assert by_corpus[1] == {query for query in by_corpus[0] if query[0] != corpus.user_ids[removed]}


def labelled(corpus: Corpus, label: np.ndarray) -> Corpus:
    return replace(corpus, interactions=replace(corpus.interactions, labels=label.astype(np.int8)))


def test_labelled_data_need_no_sampled_negatives(corpus: Corpus) -> None:
    log, test = corpus.interactions, corpus.split.mask("test")
    labels = np.where(np.arange(len(log)) % 3 == 0, -1, log.items % 2)
    view = unnamed_view(labelled(corpus, labels))
    queries = sample_queries("click", view, "test", "all", seed=3)
    assert isinstance(queries, Clicks)
    assert queries.negatives == "labelled"
    assert queries.events == np.flatnonzero(test & (labels >= 0)).tolist()
    assert queries.items == log.items[queries.events].tolist()
    assert queries.clicked == (labels[queries.events] == 1).tolist()
    assert queries.expected == ["yes" if label else "no" for label in labels[queries.events]]
    sampled = sample_queries("click", unnamed_view(corpus), "test", "all", seed=3)
    assert isinstance(sampled, Clicks)
    assert sampled.negatives == "sampled"


def test_without_any_label_negatives_are_sampled(corpus: Corpus) -> None:
    unknown = labelled(corpus, np.full(len(corpus.interactions), -1))
    one, other = (
        sample_queries("click", unnamed_view(each), "test", 9, 3) for each in (unknown, corpus)
    )
    assert one == other


def test_the_report_names_the_kind_of_negatives(corpus: Corpus) -> None:
    labels = corpus.interactions.items % 2
    for each, negatives in ((corpus, "sampled"), (labelled(corpus, labels), "labelled")):
        view = unnamed_view(each)
        queries: Any = sample_queries("click", view, "test", "all", 0)
        predictions = queries.model_copy(update={"probabilities": [0.5] * len(queries.clicked)})
        (measured,) = measure_predictions("even", predictions, view, {"split": "test", "seed": 0})
        assert measured.method.about["negatives"] == negatives


def test_rates_of_labelled_events(build: Callable) -> None:
    log, split = build([[0, 0, 1], [0, 1, 2]], 4)
    labels = np.array([1, 0, 1, 1, -1, 0], dtype=np.int8)
    rates = ItemClickRate(smoothing=1).learn(replace(log, labels=labels), split).rates
    rate = 3 / 5
    expected = [(2 + rate) / 4, (1 + rate) / 2, rate / 2, rate]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)
