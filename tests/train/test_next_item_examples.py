"""Windows over training histories: what they hold, how often, and what they never hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import make_bundle, scratch

from p5rec.core.errors import UserError
from p5rec.core.features import Behaviours
from p5rec.core.rng import id_keys, keyed
from p5rec.core.types import TEST, TRAIN, VALID, Interactions, ItemCodes, Split
from p5rec.data.windows import Windows
from p5rec.models.checkpoint import Bundle
from p5rec.models.inputs import CodeLayout
from p5rec.train.alignment.data import choose
from p5rec.train.config import NextItemConfig
from p5rec.train.examples.histories import NextItemExamples, RatingSequenceExamples
from p5rec.train.examples.example import IGNORE

BOS = 1


def unique_log(lengths: list[int], held_out: int = 2, seed: int = 0) -> tuple[Interactions, Split]:
    """Every event has an item of its own, so a row names its events; times repeat."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    times = [np.sort(rng.integers(0, max(1, n // 2), n)) for n in lengths]
    parts = np.full(len(users), TRAIN, dtype=np.int8)
    ends = np.cumsum(lengths)
    for end, n in zip(ends, lengths, strict=True):
        if n > held_out:
            parts[end - held_out : end] = [VALID, TEST][:held_out] if held_out == 2 else TEST
    events = np.arange(len(users), dtype=np.int32)
    flat_times = np.concatenate([*times, []]).astype(np.int64)
    keys = id_keys(range(len(lengths))), id_keys(range(len(users)))
    log = Interactions(users, events, flat_times, None, *keys)
    return log, Split("by hand", parts)


def rows_over(
    log: tuple[Interactions, Split], n_rows: int, seed: int = 0, **changes: Any
) -> NextItemExamples:
    codes = np.arange(max(1, log[0].n_items), dtype=np.int32)
    table = ItemCodes(np.stack([codes // 50, codes % 50], axis=1), (50, 50), "by hand")
    config = NextItemConfig(**{"window": 5, **changes})
    windows = Windows(*log, config.window, n_rows, seed, shuffle_ties=config.shuffle_ties)
    layout = CodeLayout(table, first=100)
    return NextItemExamples(windows, log[0].items, layout, BOS, config)


def events_of(rows: NextItemExamples, i: int) -> list[int]:
    """The events of a row, read back from its tokens."""
    row = rows[i]
    assert row.input_ids[0] == BOS
    assert row.labels[0] == -100
    assert row.labels[1:].tolist() == row.input_ids[1:].tolist()
    first, second = (row.input_ids[1:].reshape(-1, 2) - [100, 150]).T
    return (50 * first + second).tolist()


def windows_by_loop(
    log: tuple[Interactions, Split], window: int, seed: int, epoch: int
) -> list[tuple[int, ...]]:
    """What one epoch should hold: each user's training events, cut from a drawn phase."""
    interactions, split = log
    luck = [int(luck) for luck in keyed(interactions.user_keys, seed, "windows", epoch)]
    found = []
    for user in range(interactions.n_users):
        own = [
            event
            for event in range(len(interactions))
            if interactions.users[event] == user and split.of_event[event] == TRAIN
        ]
        cut = luck[user] % window if len(own) > window else 0
        pieces = [own[:cut], *(own[at : at + window] for at in range(cut, len(own), window))]
        found += [tuple(piece) for piece in pieces if len(piece) >= 2]
    return sorted(found)


LENGTHS = st.lists(st.integers(0, 23), min_size=1, max_size=7)


@given(lengths=LENGTHS, window=st.integers(2, 8), seed=st.integers(0, 9))
def test_an_epoch_is_every_user_s_history_cut_in_windows(
    lengths: list[int], window: int, seed: int
) -> None:
    log = unique_log(lengths, seed=seed)
    wanted = windows_by_loop(log, window, seed, epoch=0)
    if not wanted:
        with pytest.raises(UserError, match="expected users with 2 training events or more"):
            rows_over(log, 1, seed, window=window)
        return
    further = windows_by_loop(log, window, seed, epoch=1)
    n = len(wanted) + len(further)
    rows = rows_over(log, n, seed, window=window)
    found = [tuple(sorted(events_of(rows, i))) for i in range(n)]
    assert sorted(found[: len(wanted)]) == wanted
    assert sorted(found[len(wanted) :]) == further
    assert [2 * len(events) + 1 for events in found] == rows.lengths.tolist()


def test_each_training_event_is_a_target_about_equally_often_and_no_other_ever() -> None:
    interactions, split = log = unique_log([1, 3, 4, 8, 20, 33, 2])
    epoch = len(windows_by_loop(log, 5, 0, 0))
    rows = rows_over(log, 300 * epoch)
    seen = Counter(event for i in range(len(rows)) for event in events_of(rows, i))
    assert not set(seen) & set(np.flatnonzero(split.of_event != TRAIN).tolist())
    train = np.flatnonzero(split.of_event == TRAIN)
    many = np.bincount(interactions.users[train])[interactions.users[train]] >= 2
    counts = np.array([seen[event] for event in train])
    assert (counts[~many] == 0).all()
    first = np.flatnonzero(np.diff(interactions.users[train], prepend=-1))
    border = np.zeros(len(train), dtype=bool)
    border[first] = border[np.append(first[1:], len(train)) - 1] = True
    inner = counts[many & ~border]
    assert inner.max() - inner.min() <= 1  # the last epoch may be cut off
    # left alone at a border an event is skipped, in one epoch of five
    assert counts[many].min() > 0.7 * inner.max()


def test_events_meet_contexts_of_all_lengths() -> None:
    rows = rows_over(unique_log([30]), 2000, shuffle_ties=False)
    places = {events.index(14) for i in range(2000) if 14 in (events := events_of(rows, i))}
    assert places == {0, 1, 2, 3, 4}


def test_a_share_of_the_rows_opens_with_the_start_and_asks_for_its_first_item() -> None:
    log = unique_log([12, 9, 30])
    every, some = rows_over(log, 400), rows_over(log, 400, start=0.3)
    opened = 0
    for i in range(400):
        full, row = every[i], some[i]
        if row.input_ids[0] == BOS:
            opened += 1
            assert np.array_equal(full.labels, row.labels)
            assert full.split == row.split
        else:
            assert np.array_equal(full.input_ids[1:], row.input_ids)
            assert (row.labels[:2] == IGNORE).all()
            assert np.array_equal(full.labels[3:], row.labels[2:])
            assert full.split == row.split + 1
            assert len(row.blank) == len(row.labels)
    assert 80 < opened < 160


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_of_each_row_as_many_items_are_asked_for_as_wanted(start: float) -> None:
    log = unique_log([12, 9, 30])
    every, some = (rows_over(log, 400, start=start, asked=n) for n in (None, 2))
    places = set()
    for i in range(400):
        full, row = every[i], some[i]
        assert np.array_equal(full.input_ids, row.input_ids)
        kept = np.flatnonzero(row.labels != IGNORE)
        assert np.array_equal(row.labels[kept], full.labels[kept])
        possible = (full.labels != IGNORE).sum()
        assert len(kept) == min(4, possible)
        places |= set(kept.tolist())
        whole = kept.reshape(-1, 2)  # both codes of an item
        assert (whole[:, 1] == whole[:, 0] + 1).all()
        assert ((whole[:, 0] - len(row.labels)) % 2 == 0).all()
    assert places == {n for i in range(400) for n in np.flatnonzero(every[i].labels != IGNORE)}


def test_a_row_depends_on_seed_and_number_alone() -> None:
    log = unique_log([12, 9, 30])
    one, other = rows_over(log, 40), rows_over(log, 80)
    backwards = {i: events_of(other, i) for i in reversed(range(40))}
    assert [events_of(one, i) for i in range(40)] == [backwards[i] for i in range(40)]
    reseeded = rows_over(log, 40, seed=1)
    assert [events_of(reseeded, i) for i in range(40)] != [events_of(one, i) for i in range(40)]


def test_ties_alone_change_places() -> None:
    log = unique_log([10, 16])
    times = log[0].times
    rows = rows_over(log, 400)
    orders = set()
    for i in range(400):
        events = events_of(rows, i)
        assert times[events].tolist() == sorted(times[events].tolist())
        assert sorted(events) == list(range(min(events), max(events) + 1))
        orders.add(tuple(events))
    assert any(list(order) != sorted(order) for order in orders)
    still = rows_over(log, 400, shuffle_ties=False)
    assert all(events_of(still, i) == sorted(events_of(still, i)) for i in range(400))


def test_item_dropout_hides_whole_items_and_still_asks_for_them() -> None:
    log = unique_log([30])
    whole, thin = rows_over(log, 300), rows_over(log, 300, item_dropout=0.3)
    share = []
    for i in range(300):
        row = thin[i]
        assert row.blank is not None
        assert row.input_ids.tolist() == whole[i].input_ids.tolist()
        assert row.labels.tolist() == whole[i].labels.tolist()
        assert not row.blank[0]
        items = row.blank[1:].reshape(-1, 2)
        assert (items.all(1) == items.any(1)).all()
        share.append(items[:, 0].mean())
        assert not whole[i].blank.any()
    assert 0.25 < np.mean(share) < 0.35


def test_none_of_no_rows() -> None:
    assert len(rows_over(unique_log([9]), 0)) == 0
    assert rows_over(unique_log([9]), 0).lengths.tolist() == []


def test_rating_rows_tell_the_ratings_and_nothing_else() -> None:
    interactions, split = unique_log([12, 9, 30])
    rng = np.random.default_rng(0)
    given = rng.choice([1.0, 2.5, np.nan], len(interactions)).astype(np.float32)
    log = replace(interactions, ratings=given)
    codes = np.arange(log.n_items)
    table = ItemCodes(np.stack([codes // 8, codes % 8], axis=1).astype(np.int32), (8, 8), "by hand")
    bundle = make_bundle(scratch(), table, scale=(1.0, 2.5))
    settings = NextItemConfig(window=5)
    windows = Windows(log, split, settings.window, 40, 0)
    rows = RatingSequenceExamples(windows, log.items, given, bundle.rated_histories())
    plain = NextItemExamples(windows, log.items, bundle.layout, bundle.bos, settings)
    for i in range(40):
        row, events = rows[i], _events(plain[i].input_ids[1:], bundle)
        assert _events(row.input_ids[row.input_ids >= bundle.layout.first], bundle) == events
        told = row.ratings[np.isfinite(row.ratings)].tolist()
        assert told == [float(r) for r in given[events] if np.isfinite(r)]
        asked = row.labels != -100
        said = bundle.tokenizer.decode(row.labels[asked])
        assert said == "".join(f"{r:g}" for r in told)
        # a rating stands at its item's last code, where its words are still to come
        at = np.flatnonzero(np.isfinite(row.ratings))
        assert (row.input_ids[at] >= bundle.layout.first + 8).all()
        assert asked[at + 1].all()
    assert len(rows) == 40
    assert rows.lengths.shape == (40,)


def test_rating_rows_tell_what_is_known_and_ask_for_ratings_alone() -> None:
    interactions, split = unique_log([12, 9, 30])
    given = np.random.default_rng(0).choice([1.0, 2.5], len(interactions)).astype(np.float32)
    log = replace(interactions, ratings=given)
    codes = np.arange(log.n_items)
    table = ItemCodes(np.stack([codes // 8, codes % 8], axis=1).astype(np.int32), (8, 8), "by hand")
    bundle = make_bundle(scratch(), table, scale=(1.0, 2.5))
    windows = Windows(log, split, 5, 40, 0)
    known = np.stack([np.arange(len(log)), 7 * np.arange(len(log))], axis=1)
    rows = RatingSequenceExamples(
        windows, log.items, given, bundle.rated_histories(), lambda events: known[events]
    )
    for i in range(40):
        row, (events, _) = rows[i], windows.row(i)
        written = bundle.rated_histories().write(log.items[events], given[events], known[events])
        assert row.input_ids.tolist() == written.tokens.tolist()
        at = np.flatnonzero(np.isfinite(row.ratings))
        assert at.tolist() == written.ends.tolist()
        assert row.ratings[at].tolist() == given[events].tolist()
        asked = row.labels[row.labels != -100]
        assert bundle.tokenizer.decode(asked) == "".join(f"{r:g}" for r in given[events])


def _events(tokens: np.ndarray, bundle: Bundle) -> list[int]:
    first, second = (tokens.reshape(-1, 2) - bundle.layout.first - [0, 8]).T
    return (8 * first + second).tolist()


@pytest.mark.parametrize("shuffle_ties", [True, False])
def test_events_of_history_alone_are_read_and_not_asked_for(shuffle_ties: bool) -> None:
    log, split = unique_log([9, 12, 7, 5, 6])
    codes = (np.arange(len(log)) % 3 > 0).astype(np.int8)
    done = Behaviours(codes, ("buy", "view"), ("buy",), (1.0, 0.2))
    rows = rows_over((replace(log, behaviours=done), split), 60, shuffle_ties=shuffle_ties)
    asked = set()
    for i in range(60):
        first, second = (rows[i].input_ids[1:].reshape(-1, 2) - [100, 150]).T
        events, labels = 50 * first + second, rows[i].labels[1:].reshape(-1, 2)
        told = (labels != IGNORE).all(axis=1)
        assert ((labels != IGNORE).any(axis=1) == told).all()
        assert (told == (codes[events] == 0)).all()
        split_at = (rows[i].split - 1) // 2
        assert codes[events[split_at]] == 0 or not (codes[events[1:]] == 0).any()
        chosen = choose(rows, i, None, 0)
        assert (codes[events[(chosen - 1) // 2]] == 0).all()
        asked |= set(events[told].tolist())
    assert asked <= set(np.flatnonzero(codes == 0).tolist())
    assert len(asked) > 5
