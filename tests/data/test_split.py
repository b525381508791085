"""The split rules by hand and by property: no history has an event after its target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p5rec.core.errors import UserError
from p5rec.core.features import Behaviours
from p5rec.core.rng import id_keys
from p5rec.core.types import Interactions, Split
from p5rec.data.profile import profile_events
from p5rec.data.split import (
    OF_BASKETS,
    RULES,
    UNUSED,
    each_target,
    histories_of,
    instances,
    make_split,
)


def log(*sequences: list[int], times: list[int] | None = None) -> Interactions:
    users = np.repeat(np.arange(len(sequences)), [len(h) for h in sequences]).astype(np.int32)
    items = np.asarray([i for h in sequences for i in h], dtype=np.int32)
    moments = np.arange(len(items)) if times is None else np.asarray(times)
    n_items = int(items.max(initial=0)) + 1
    keys = id_keys(range(len(sequences))), id_keys(range(n_items))
    return Interactions(users, items, moments.astype(np.int64), None, *keys)


logs = st.lists(st.lists(st.integers(0, 9), max_size=14), min_size=1, max_size=8).map(
    lambda sequences: log(*sequences)
)


def test_leave_one_out() -> None:
    split = make_split(log([1, 2, 3, 4], [5, 6], [7, 8, 9]), "leave-one-out")
    assert split.of_event.tolist() == [0, 0, 1, 2, 0, 0, 0, 1, 2]


def test_user_time() -> None:
    split = make_split(log(list(range(10)), [1], [1, 2, 3], [1, 2, 3, 4, 5]), "user-time")
    assert split.of_event[:10].tolist() == [0] * 8 + [1, 2]
    assert split.of_event[10:].tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 2]


def test_time_keeps_a_moment_together() -> None:
    split = make_split(log(list(range(10)), times=[0, 1, 2, 3, 4, 5, 6, 7, 7, 9]), "time")
    assert split.of_event.tolist() == [0] * 7 + [1, 1, 2]


def test_all_events_train() -> None:
    data = log([1, 2, 3, 4], [5, 6], [7])
    viewed = replace(
        data, behaviours=Behaviours(np.array([0, 1] * 3 + [0]), ("a", "b"), ("a",), (1, 1))
    )
    for events in (data, viewed):
        assert make_split(events, "all").of_event.tolist() == [0] * 7
        assert not len(instances(events, make_split(events, "all"), "valid")[1])


def test_few_shot_draws_k_of_the_training_events() -> None:
    data = log(list(range(9)), [1, 2, 3, 4], [1, 2])
    full = make_split(data, "leave-one-out")
    split = make_split(data, "few-shot", seed=3, few_shot=2)
    assert np.bincount(data.users[split.mask("train")]).tolist() == [2, 2, 2]
    assert (split.mask("valid", "test") == full.mask("valid", "test")).all()
    assert (split.of_event == UNUSED).sum() == 5
    others = [make_split(data, "few-shot", seed=s, few_shot=2).of_event.tolist() for s in range(5)]
    assert split.of_event.tolist() in others
    assert len({tuple(splits) for splits in others}) > 1


def test_an_unknown_rule() -> None:
    with pytest.raises(UserError, match="did you mean 'leave-one-out'"):
        make_split(log([1]), "leave-one-ot")


def test_instances_under_leave_one_out() -> None:
    data = log([1, 2, 3, 4], [5, 6], [7, 8, 9])
    split = make_split(data, "leave-one-out")
    queries, targets, events = instances(data, split, "test")
    assert queries.users.tolist() == [0, 2]
    assert [queries[b].tolist() for b in range(2)] == [[1, 2, 3], [7, 8]]
    assert targets.tolist() == [4, 9]
    assert events.tolist() == [3, 8]
    valid, targets, _ = instances(data, split, "valid")
    assert [valid[b].tolist() for b in range(2)] == [[1, 2], [7]]
    assert targets.tolist() == [3, 8]
    from_train, _, _ = instances(data, split, "test", history=("train",))
    assert [from_train[b].tolist() for b in range(2)] == [[1, 2], [7]]


def test_the_target_is_the_last_event_of_the_split() -> None:
    data = log(list(range(20)))
    queries, targets, events = instances(data, make_split(data, "user-time"), "test")
    assert targets.tolist() == [19]
    assert events.tolist() == [19]
    assert queries[0].tolist() == list(range(19))
    queries, targets, _ = instances(data, make_split(data, "user-time"), "valid")
    assert targets.tolist() == [17]
    assert queries[0].tolist() == list(range(17))


def test_a_new_user_has_an_empty_history() -> None:
    data = log(list(range(9)), [3], times=[*range(9), 100])
    queries, targets, _ = instances(data, make_split(data, "time"), "test")
    assert queries.users.tolist() == [1]
    assert queries.lengths.tolist() == [0]
    assert targets.tolist() == [3]


@given(data=logs, rule=st.sampled_from(RULES), split_name=st.sampled_from(["valid", "test"]))
def test_histories_have_exactly_the_events_before_the_target(
    data: Interactions, rule: str, split_name: str
) -> None:
    split = make_split(data, rule, few_shot=2)
    order = {"train": 0, "valid": 1, "test": 2}
    queries, targets, events = instances(data, split, split_name)
    owners = np.unique(data.users[split.mask(split_name)])
    assert queries.users.tolist() == owners.tolist()
    for b, user in enumerate(queries.users):
        own = np.flatnonzero(data.users == user)
        target = [e for e in own if split.of_event[e] == order[split_name]][-1]
        before = [e for e in own if e < target and 0 <= split.of_event[e] <= order[split_name]]
        assert events[b] == target
        assert targets[b] == data.items[target]
        assert queries[b].tolist() == data.items[before].tolist()


@given(data=logs, rule=st.sampled_from([rule for rule in RULES if rule != "random"]))
def test_splits_never_go_back_in_time(data: Interactions, rule: str) -> None:
    split = make_split(data, rule, few_shot=2)
    used = split.of_event != UNUSED
    for user in range(data.n_users):
        splits = split.of_event[used & (data.users == user)]
        assert (np.diff(splits) >= 0).all()


def test_histories_of_have_all_events() -> None:
    events = log([1, 2, 3, 4], [5, 6], [7])
    everyone = histories_of(events)
    assert [everyone[b].tolist() for b in range(3)] == [[1, 2, 3, 4], [5, 6], [7]]
    some = histories_of(events, np.array([2, 0, 2]))
    assert some.users.tolist() == [2, 0, 2]
    assert [some[b].tolist() for b in range(3)] == [[7], [1, 2, 3, 4], [7]]


@st.composite
def mixed_logs(draw: st.DrawFn) -> Interactions:
    """Logs in which some events are auxiliary views."""
    data = draw(logs)
    codes = draw(st.lists(st.integers(0, 1), min_size=len(data), max_size=len(data)))
    done = Behaviours(np.array(codes, dtype=np.int8), ("buy", "view"), ("buy",), (1.0, 0.2))
    return replace(data, behaviours=done)


def with_views(*sequences: str, times: list[int] | None = None) -> Interactions:
    """``bvb``: bought, viewed, bought; items are numbers from 0."""
    data = log(*(list(range(len(h))) for h in sequences), times=times)
    codes = np.array([int(c == "v") for h in sequences for c in h], dtype=np.int8)
    return replace(data, behaviours=Behaviours(codes, ("buy", "view"), ("buy",), (1.0, 0.2)))


@pytest.mark.parametrize(
    ("rule", "history", "splits"),
    [
        ("leave-one-out", "vbvbvbv", [0, 0, 0, 1, -1, 2, -1]),
        ("leave-one-out", "vvvbvbv", [0, 0, 0, 0, 0, 0, 0]),  # two purchases train only
        ("leave-one-out", "vvvv", [0, 0, 0, 0]),
        ("user-time", "vbbbvbvb", [0, 0, 0, 0, 0, 0, 0, 2]),
        ("few-shot", "vbvbvbb", [0, 0, 0, 0, 0, 1, 2]),
    ],
)
def test_views_train_until_the_first_held_out_event(
    rule: str, history: str, splits: list[int]
) -> None:
    assert make_split(with_views(history), rule, few_shot=5).of_event.tolist() == splits


def test_under_time_views_train_until_the_first_held_out_moment() -> None:
    data = with_views("bbbbbbbbbb", "vvv", times=[*range(10), 1, 8, 12])
    split = make_split(data, "time")
    assert split.of_event[:10].tolist() == [0] * 8 + [1, 2]
    assert split.of_event[10:].tolist() == [0, UNUSED, UNUSED]


@given(data=mixed_logs(), rule=st.sampled_from(RULES))
def test_views_do_not_change_the_split_of_targets(data: Interactions, rule: str) -> None:
    split = make_split(data, rule, few_shot=2)
    targets = np.flatnonzero(data.is_target)
    alone = make_split(data.take(targets), rule, few_shot=2)
    assert (split.of_event[targets] == alone.of_event).all()
    views = np.flatnonzero(~data.is_target)
    assert np.isin(split.of_event[views], [UNUSED, 0]).all()
    held = np.flatnonzero(split.of_event > 0)
    for view in views:
        own = held[data.users[held] == data.users[view]]
        late = len(own) and view > own[0]
        if rule == "time" and len(held):
            late = late or data.times[view] >= data.times[held].min()
        assert (split.of_event[view] == UNUSED) == bool(late)


@given(
    data=mixed_logs(), rule=st.sampled_from(RULES), split_name=st.sampled_from(["valid", "test"])
)
def test_only_target_events_are_targets_and_histories_have_behaviours(
    data: Interactions, rule: str, split_name: str
) -> None:
    split = make_split(data, rule, few_shot=2)
    queries, targets, events = instances(data, split, split_name)
    requests, flat = each_target(events)
    assert (data.users[flat] == queries.users[requests]).all()
    assert data.is_target[flat].all()
    assert (targets[targets >= 0] == data.items[flat]).all()
    assert queries.behaviours is not None
    assert len(queries.behaviours.codes) == len(queries.items)
    purchases = queries.of_targets()
    for b, user in enumerate(queries.users):
        held = np.flatnonzero(split.mask(split_name) & (data.users == user))
        until = held[0] if rule in OF_BASKETS else held[-1]
        own = np.flatnonzero((data.users == user) & (np.arange(len(data)) < until))
        own = own[split.of_event[own] != UNUSED]
        assert queries[b].tolist() == data.items[own].tolist()
        assert purchases[b].tolist() == data.items[own[data.is_target[own]]].tolist()
        assert queries.take(np.array([b])).of_targets()[0].tolist() == purchases[b].tolist()
        assert queries.tail(2).of_targets()[b].tolist() == [
            data.items[event] for event in own[-2:] if data.is_target[event]
        ]


def test_a_random_split_draws_each_event_by_itself() -> None:
    data = log(*([[*range(40)]] * 50))
    split = make_split(data, "random", seed=1)
    shares = np.bincount(split.of_event) / len(data)
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.03)
    some = np.flatnonzero(data.users < 20)
    assert make_split(data.take(some), "random", seed=1).of_event.tolist() == (
        split.of_event[some].tolist()
    )
    assert (make_split(data, "random", seed=2).of_event != split.of_event).any()


@pytest.mark.parametrize(
    ("share", "most", "wanted"), [(0.5, 30, [5, 3, 1]), (0.5, 4, [4, 3, 1]), (0.1, 9, [1, 1, 1])]
)
def test_profile_events_are_the_first_training_events(
    share: float, most: int, wanted: list[int]
) -> None:
    data = log([*range(12)], [*range(7)], [1], [2])
    of_event = np.zeros(21, dtype=np.int8)
    of_event[[10, 11, 18, 20]] = [1, 2, 2, 2]
    of_event[13] = UNUSED
    split = Split("by hand", of_event)
    profile = profile_events(data, split, share, most)
    assert np.bincount(data.users[profile], minlength=4).tolist() == [*wanted, 0]
    for user in range(4):
        train = split.mask("train")[data.users == user]
        assert (np.diff(profile[data.users == user][train].astype(int)) <= 0).all()
    assert not profile[~split.mask("train")].any()
