"""Training examples of histories: their events and targets."""

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
from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import id_keys, keyed
from p5rec.core.types import TEST, TRAIN, VALID, Interactions, Split
from p5rec.data.windows import Windows
from p5rec.models.bundle import Bundle
from p5rec.models.inputs import CodeLayout
from p5rec.train.alignment.data import target_tokens
from p5rec.train.config import NextItemConfig
from p5rec.train.examples.example import IGNORE
from p5rec.train.examples.histories import NextItemExamples, RatingSequenceExamples

BOS = 1


def unique_log(lengths: list[int], held_out: int = 2, seed: int = 0) -> tuple[Interactions, Split]:
    """Every event has its own item, so items identify events; times repeat."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    times = [np.sort(rng.integers(0, max(1, n // 2), n)) for n in lengths]
    splits = np.full(len(users), TRAIN, dtype=np.int8)
    ends = np.cumsum(lengths)
    for end, n in zip(ends, lengths, strict=True):
        if n > held_out:
            splits[end - held_out : end] = [VALID, TEST][:held_out] if held_out == 2 else TEST
    events = np.arange(len(users), dtype=np.int32)
    flat_times = np.concatenate([*times, []]).astype(np.int64)
    keys = id_keys(range(len(lengths))), id_keys(range(len(users)))
    log = Interactions(users, events, flat_times, None, *keys)
    return log, Split("by hand", splits)


def examples_over(
    log: tuple[Interactions, Split], n_rows: int, seed: int = 0, **changes: Any
) -> NextItemExamples:
    codes = np.arange(max(1, log[0].n_items), dtype=np.int32)
    table = ItemCodes(np.stack([codes // 50, codes % 50], axis=1), (50, 50), "by hand")
    config = NextItemConfig(**{"window": 5, **changes})
    windows = Windows(*log, config.window, n_rows, seed, shuffle_ties=config.shuffle_ties)
    layout = CodeLayout(table, first=100)
    return NextItemExamples(windows, log[0].items, layout, BOS, config)


def events_of(examples: NextItemExamples, i: int) -> list[int]:
    """The events of an example, decoded from its tokens."""
    example = examples[i]
    assert example.input_ids[0] == BOS
    assert example.labels[0] == -100
    assert example.labels[1:].tolist() == example.input_ids[1:].tolist()
    first, second = (example.input_ids[1:].reshape(-1, 2) - [100, 150]).T
    return (50 * first + second).tolist()


def windows_by_loop(
    log: tuple[Interactions, Split], window: int, seed: int, epoch: int
) -> list[tuple[int, ...]]:
    """The windows of an epoch: each user's training events, cut at a random phase."""
    interactions, split = log
    phase_of = [int(phase_of) for phase_of in keyed(interactions.user_keys, seed, "windows", epoch)]
    actual = []
    for user in range(interactions.n_users):
        own = [
            event
            for event in range(len(interactions))
            if interactions.users[event] == user and split.of_event[event] == TRAIN
        ]
        cut = phase_of[user] % window if len(own) > window else 0
        pieces = [own[:cut], *(own[at : at + window] for at in range(cut, len(own), window))]
        actual += [tuple(piece) for piece in pieces if len(piece) >= 2]
    return sorted(actual)


LENGTHS = st.lists(st.integers(0, 23), min_size=1, max_size=7)


@given(lengths=LENGTHS, window=st.integers(2, 8), seed=st.integers(0, 9))
def test_an_epoch_is_every_user_s_history_in_windows(
    lengths: list[int], window: int, seed: int
) -> None:
    log = unique_log(lengths, seed=seed)
    expected = windows_by_loop(log, window, seed, epoch=0)
    if not expected:
        with pytest.raises(UserError, match="expected a user with at least 2 training events"):
            examples_over(log, 1, seed, window=window)
        return
    further = windows_by_loop(log, window, seed, epoch=1)
    n = len(expected) + len(further)
    examples = examples_over(log, n, seed, window=window)
    actual = [tuple(sorted(events_of(examples, i))) for i in range(n)]
    assert sorted(actual[: len(expected)]) == expected
    assert sorted(actual[len(expected) :]) == further
    assert [2 * len(events) + 1 for events in actual] == examples.lengths.tolist()


def test_training_events_are_targets_equally_often_and_others_never() -> None:
    interactions, split = log = unique_log([1, 3, 4, 8, 20, 33, 2])
    epoch = len(windows_by_loop(log, 5, 0, 0))
    examples = examples_over(log, 300 * epoch)
    counted = Counter(event for i in range(len(examples)) for event in events_of(examples, i))
    assert not set(counted) & set(np.flatnonzero(split.of_event != TRAIN).tolist())
    train = np.flatnonzero(split.of_event == TRAIN)
    many = np.bincount(interactions.users[train])[interactions.users[train]] >= 2
    counts = np.array([counted[event] for event in train])
    assert (counts[~many] == 0).all()
    first = np.flatnonzero(np.diff(interactions.users[train], prepend=-1))
    border = np.zeros(len(train), dtype=bool)
    border[first] = border[np.append(first[1:], len(train)) - 1] = True
    inner = counts[many & ~border]
    assert inner.max() - inner.min() <= 1  # the last epoch may be cut off
    # a single event at a border is skipped, in one epoch of five
    assert counts[many].min() > 0.7 * inner.max()


def test_events_have_contexts_of_all_lengths() -> None:
    examples = examples_over(unique_log([30]), 2000, shuffle_ties=False)
    positions = {events.index(14) for i in range(2000) if 14 in (events := events_of(examples, i))}
    assert positions == {0, 1, 2, 3, 4}


def test_a_share_of_the_examples_has_the_start_token_and_its_first_item_as_target() -> None:
    log = unique_log([12, 9, 30])
    every, some = examples_over(log, 400), examples_over(log, 400, bos_probability=0.3)
    with_bos = 0
    for i in range(400):
        full, example = every[i], some[i]
        if example.input_ids[0] == BOS:
            with_bos += 1
            assert np.array_equal(full.labels, example.labels)
            assert full.split == example.split
        else:
            assert np.array_equal(full.input_ids[1:], example.input_ids)
            assert (example.labels[:2] == IGNORE).all()
            assert np.array_equal(full.labels[3:], example.labels[2:])
            assert full.split == example.split + 1
            assert len(example.blank) == len(example.labels)
    assert 80 < with_bos < 160


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_each_example_has_the_configured_number_of_targets(start: float) -> None:
    log = unique_log([12, 9, 30])
    every, some = (
        examples_over(log, 400, bos_probability=start, targets_per_example=n) for n in (None, 2)
    )
    positions = set()
    for i in range(400):
        full, example = every[i], some[i]
        assert np.array_equal(full.input_ids, example.input_ids)
        labelled = np.flatnonzero(example.labels != IGNORE)
        assert np.array_equal(example.labels[labelled], full.labels[labelled])
        possible = (full.labels != IGNORE).sum()
        assert len(labelled) == min(4, possible)
        positions |= set(labelled.tolist())
        pairs = labelled.reshape(-1, 2)  # both codes of an item
        assert (pairs[:, 1] == pairs[:, 0] + 1).all()
        assert ((pairs[:, 0] - len(example.labels)) % 2 == 0).all()
    assert positions == {n for i in range(400) for n in np.flatnonzero(every[i].labels != IGNORE)}


def test_an_example_depends_on_seed_and_index_only() -> None:
    log = unique_log([12, 9, 30])
    one, other = examples_over(log, 40), examples_over(log, 80)
    backwards = {i: events_of(other, i) for i in reversed(range(40))}
    assert [events_of(one, i) for i in range(40)] == [backwards[i] for i in range(40)]
    reseeded = examples_over(log, 40, seed=1)
    assert [events_of(reseeded, i) for i in range(40)] != [events_of(one, i) for i in range(40)]


def test_only_ties_are_shuffled() -> None:
    log = unique_log([10, 16])
    times = log[0].times
    examples = examples_over(log, 400)
    orders = set()
    for i in range(400):
        events = events_of(examples, i)
        assert times[events].tolist() == sorted(times[events].tolist())
        assert sorted(events) == list(range(min(events), max(events) + 1))
        orders.add(tuple(events))
    assert any(list(order) != sorted(order) for order in orders)
    still = examples_over(log, 400, shuffle_ties=False)
    assert all(events_of(still, i) == sorted(events_of(still, i)) for i in range(400))


def test_item_dropout_hides_items_that_stay_targets() -> None:
    log = unique_log([30])
    pairs, dropped = examples_over(log, 300), examples_over(log, 300, item_dropout=0.3)
    shares = []
    for i in range(300):
        example = dropped[i]
        assert example.blank is not None
        assert example.input_ids.tolist() == pairs[i].input_ids.tolist()
        assert example.labels.tolist() == pairs[i].labels.tolist()
        assert not example.blank[0]
        items = example.blank[1:].reshape(-1, 2)
        assert (items.all(1) == items.any(1)).all()
        shares.append(items[:, 0].mean())
        assert not pairs[i].blank.any()
    assert 0.25 < np.mean(shares) < 0.35


def test_zero_examples() -> None:
    assert len(examples_over(unique_log([9]), 0)) == 0
    assert examples_over(unique_log([9]), 0).lengths.tolist() == []


def test_rating_sequences_have_only_ratings_as_targets() -> None:
    interactions, split = unique_log([12, 9, 30])
    rng = np.random.default_rng(0)
    all_ratings = rng.choice([1.0, 2.5, np.nan], len(interactions)).astype(np.float32)
    log = replace(interactions, ratings=all_ratings)
    codes = np.arange(log.n_items)
    table = ItemCodes(np.stack([codes // 8, codes % 8], axis=1).astype(np.int32), (8, 8), "by hand")
    bundle = make_bundle(scratch(), table, scale=(1.0, 2.5))
    settings = NextItemConfig(window=5)
    windows = Windows(log, split, settings.window, 40, 0)
    examples = RatingSequenceExamples(windows, log.items, all_ratings, bundle.rated_histories())
    plain = NextItemExamples(windows, log.items, bundle.layout, bundle.bos, settings)
    for i in range(40):
        example, events = examples[i], _events(plain[i].input_ids[1:], bundle)
        assert (
            _events(example.input_ids[example.input_ids >= bundle.layout.first], bundle) == events
        )
        labelled = example.ratings[np.isfinite(example.ratings)].tolist()
        assert labelled == [float(r) for r in all_ratings[events] if np.isfinite(r)]
        targets = example.labels != -100
        text = bundle.tokenizer.decode(example.labels[targets])
        assert text == "".join(f"{r:g}" for r in labelled)
        # a rating target is at its item's last code, before the rating's words
        at = np.flatnonzero(np.isfinite(example.ratings))
        assert (example.input_ids[at] >= bundle.layout.first + 8).all()
        assert targets[at + 1].all()
    assert len(examples) == 40
    assert examples.lengths.shape == (40,)


def test_rating_sequences_with_statistics_have_only_ratings_as_targets() -> None:
    interactions, split = unique_log([12, 9, 30])
    all_ratings = np.random.default_rng(0).choice([1.0, 2.5], len(interactions)).astype(np.float32)
    log = replace(interactions, ratings=all_ratings)
    codes = np.arange(log.n_items)
    table = ItemCodes(np.stack([codes // 8, codes % 8], axis=1).astype(np.int32), (8, 8), "by hand")
    bundle = make_bundle(scratch(), table, scale=(1.0, 2.5))
    windows = Windows(log, split, 5, 40, 0)
    statistics = np.stack([np.arange(len(log)), 7 * np.arange(len(log))], axis=1)
    examples = RatingSequenceExamples(
        windows, log.items, all_ratings, bundle.rated_histories(), lambda events: statistics[events]
    )
    for i in range(40):
        example, (events, _) = examples[i], windows.draw(i)
        written = bundle.rated_histories().write(
            log.items[events], all_ratings[events], statistics[events]
        )
        assert example.input_ids.tolist() == written.tokens.tolist()
        at = np.flatnonzero(np.isfinite(example.ratings))
        assert at.tolist() == written.ends.tolist()
        assert example.ratings[at].tolist() == all_ratings[events].tolist()
        targets = example.labels[example.labels != -100]
        assert bundle.tokenizer.decode(targets) == "".join(f"{r:g}" for r in all_ratings[events])


def _events(tokens: np.ndarray, bundle: Bundle) -> list[int]:
    first, second = (tokens.reshape(-1, 2) - bundle.layout.first - [0, 8]).T
    return (8 * first + second).tolist()


@pytest.mark.parametrize("shuffle_ties", [True, False])
def test_input_only_events_are_no_targets(shuffle_ties: bool) -> None:
    log, split = unique_log([9, 12, 7, 5, 6])
    codes = (np.arange(len(log)) % 3 > 0).astype(np.int8)
    done = Behaviours(codes, ("buy", "view"), ("buy",), (1.0, 0.2))
    examples = examples_over((replace(log, behaviours=done), split), 60, shuffle_ties=shuffle_ties)
    targets = set()
    for i in range(60):
        first, second = (examples[i].input_ids[1:].reshape(-1, 2) - [100, 150]).T
        events, labels = 50 * first + second, examples[i].labels[1:].reshape(-1, 2)
        labelled = (labels != IGNORE).all(axis=1)
        assert ((labels != IGNORE).any(axis=1) == labelled).all()
        assert (labelled == (codes[events] == 0)).all()
        split_at = (examples[i].split - 1) // 2
        assert codes[events[split_at]] == 0 or not (codes[events[1:]] == 0).any()
        chosen = target_tokens(examples, i, None, 0)
        assert (codes[events[(chosen - 1) // 2]] == 0).all()
        targets |= set(events[labelled].tolist())
    assert targets <= set(np.flatnonzero(codes == 0).tolist())
    assert len(targets) > 5
