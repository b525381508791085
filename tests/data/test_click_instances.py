"""Click instances and their histories, against loops over events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from p5rec.core.features import Behaviours, Categories, Users
from p5rec.core.rng import id_keys
from p5rec.core.types import Catalog, Corpus, Interactions, Split
from p5rec.data.available import Available
from p5rec.data.click_instances import click_instances
from p5rec.data.earlier_events import EarlierEvents
from p5rec.data.negatives import unmet_items

USERS, ITEMS = 6, 9


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Events of few moments, so that many share one; some are auxiliary, some in no split."""
    rng = np.random.default_rng(0)
    users = np.sort(rng.integers(0, USERS, 80)).astype(np.int32)
    times = rng.integers(0, 8, 80)
    times = times[np.lexsort((times, users))]
    items = rng.integers(0, ITEMS, 80).astype(np.int32)
    log = Interactions(
        users,
        items,
        times,
        None,
        id_keys(range(USERS)),
        id_keys(range(ITEMS)),
        context={
            "hour": np.arange(80, dtype=np.float32),
            "place": Categories(rng.integers(-1, 3, 80).astype(np.int32), ("a", "b", "c")),
        },
        labels=rng.integers(-1, 2, 80).astype(np.int8),
        behaviours=Behaviours(
            (rng.random(80) < 0.2).astype(np.int8), ("buy", "view"), ("buy",), (1.0, 1.0)
        ),
    )
    of_event = np.where(times < 5, 0, np.where(times < 6, 1, 2)).astype(np.int8)
    of_event[rng.random(80) < 0.1] = -1
    table = pa.table({"item": [f"i{n}" for n in range(ITEMS)], "title": ["x"] * ITEMS})
    people = Users.of([f"u{n}" for n in range(USERS)])
    return Corpus(log, Catalog(table), people, Split("by hand", of_event))


def visible(corpus: Corpus, event: int, all_earlier: bool) -> list[int]:
    """The rules of the module, for one event."""
    log, splits = corpus.interactions, corpus.split.of_event
    rows = []
    for row in range(event):
        earlier = log.times[row] < log.times[event] if all_earlier else True
        if log.users[row] != log.users[event] or not earlier:
            continue
        if all_earlier and splits[event] > 0:
            seen = splits[row] >= 0 or not log.is_target[row]
        else:
            seen = 0 <= splits[row] < (2 if splits[event] == 2 else 1)
        rows += [row] if seen else []
    return rows


@pytest.mark.parametrize("all_earlier", [False, True])
@pytest.mark.parametrize("most", [None, 3])
def test_histories_follow_the_rules(corpus: Corpus, all_earlier: bool, most: int | None) -> None:
    log, earlier = corpus.interactions, EarlierEvents(corpus.interactions, corpus.split)
    events = np.random.default_rng(1).permutation(len(log))[:60]
    histories = earlier.histories(events, all_earlier=all_earlier, most=most)
    rows, offsets = earlier.before(events, all_earlier=all_earlier, most=most)
    for n, event in enumerate(events.tolist()):
        wanted = visible(corpus, event, all_earlier)[-(most or 99) :]
        assert rows[offsets[n] : offsets[n + 1]].tolist() == wanted
        assert histories[n].tolist() == log.items[wanted].tolist()
    assert (histories.labels == log.labels[rows]).all()
    assert (histories.users == log.users[events]).all()
    assert (histories.context["hour"] == events).all()
    assert (histories.context["place"].codes == log.context["place"].codes[events]).all()


def test_labels_and_context_stay_with_their_requests(corpus: Corpus) -> None:
    histories = EarlierEvents(corpus.interactions, corpus.split).histories(np.arange(80))
    chosen = np.array([70, 3, 40])
    taken = histories.take(chosen)
    assert taken.context["hour"].tolist() == chosen.tolist()
    bounds = zip(histories.offsets[:-1][chosen], histories.offsets[1:][chosen], strict=True)
    labels = [histories.labels[first:last] for first, last in bounds]
    assert taken.labels.tolist() == np.concatenate(labels).tolist()
    short, positive = histories.tail(1), histories.where(histories.labels == 1)
    assert (
        short.labels.tolist()
        == histories.labels[histories.offsets[1:][histories.lengths > 0] - 1].tolist()
    )
    assert (positive.labels == 1).all()
    assert positive.context is histories.context is short.context


@pytest.mark.parametrize("split_name", ["train", "valid", "test"])
def test_instances_are_the_labelled_targets_of_a_split(corpus: Corpus, split_name: str) -> None:
    log = corpus.interactions
    profile = corpus.split.mask("train") & (np.arange(80) % 4 == 0)
    with_profile = replace(corpus, split=replace(corpus.split, profile=profile))
    instances = click_instances(with_profile, split_name, seed=0)
    wanted = corpus.split.mask(split_name) & log.is_target & (log.labels >= 0) & ~profile
    assert not instances.sampled
    assert instances.events.tolist() == np.flatnonzero(wanted).tolist()
    assert (instances.labels == log.labels[instances.events]).all()
    assert (instances.items == log.items[instances.events]).all()
    assert (instances.users == instances.histories.users).all()
    of_split = corpus.split.of_event[
        EarlierEvents(log, corpus.split).before(instances.events, all_earlier=True)[0]
    ]
    assert split_name != "train" or (of_split == 0).all()  # held-out labels reach no training


def test_a_history_shows_earlier_moments_alone(corpus: Corpus) -> None:
    log = corpus.interactions
    instances = click_instances(corpus, "test", seed=0)
    rows, offsets = EarlierEvents(log, corpus.split).before(instances.events, all_earlier=True)
    at = np.repeat(instances.events, np.diff(offsets))
    assert (log.times[rows] < log.times[at]).all()
    assert (corpus.split.of_event[rows] == 2).any()  # earlier held-out events are visible
    assert len(click_instances(corpus, "test", seed=0, most=2).histories.items) <= 2 * len(
        instances
    )


def test_without_labels_negatives_are_sampled(corpus: Corpus) -> None:
    plain = replace(corpus, interactions=replace(corpus.interactions, labels=None))
    log = plain.interactions
    for split_name in ("train", "test"):
        instances = click_instances(plain, split_name, seed=4)
        targets = np.flatnonzero(plain.split.mask(split_name) & log.is_target)
        assert instances.sampled
        assert instances.events[instances.labels == 1].tolist() == targets.tolist()
        met = plain.split.mask("train") if split_name == "train" else np.ones(80, bool)
        for user, item, event in zip(
            instances.users[instances.labels == 0],
            instances.items[instances.labels == 0],
            instances.events[instances.labels == 0],
            strict=True,
        ):
            assert log.users[event] == user
            assert item not in log.items[met & (log.users == user)]
            assert split_name == "test" or item in log.items[met]
    again, other = (click_instances(plain, "test", seed=seed) for seed in (4, 5))
    assert again.items.tolist() == instances.items.tolist() != other.items.tolist()


def test_taken_instances_keep_their_columns(corpus: Corpus) -> None:
    instances = click_instances(corpus, "train", seed=0)
    chosen = np.array([5, 0, 2])
    taken = instances.take(chosen)
    assert len(taken) == 3
    assert taken.events.tolist() == instances.events[chosen].tolist()
    assert taken.histories[1].tolist() == instances.histories[0].tolist()


def test_sampled_negatives_are_uniform_over_the_unmet_available_items() -> None:
    since = np.array([0, 0, 1, 1, 2, 5])
    available, met = Available(since), ([0, 0, 1, 1, 1, 1], [0, 3, 0, 1, 2, 3])
    draws = np.random.default_rng(0).integers(2**63, size=6000).astype(np.uint64)
    for user, time, wanted in ((0, 2, [1, 2, 4]), (0, 0, [1]), (1, 2, [4]), (2, 1, [0, 1, 2, 3])):
        users, times = np.full(6000, user, np.int32), np.full(6000, time)
        items = unmet_items(*map(np.array, met), users, times, available, draws)
        counts = np.bincount(items, minlength=6)
        assert np.flatnonzero(counts).tolist() == wanted
        assert counts[wanted] == pytest.approx(6000 / len(wanted), rel=0.1)
    none = unmet_items(*map(np.array, met), np.array([1]), np.array([1]), available, draws[:1])
    assert none.tolist() == [-1]
