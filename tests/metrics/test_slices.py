import numpy as np

from p5rec.core.rng import id_keys
from p5rec.core.types import TRAIN, VALID, Interactions, Split
from p5rec.metrics.slices import slices


def corpus(train_counts, held_out):
    """One training event per user, ``train_counts[i]`` of item i; then the held-out events."""
    items = np.repeat(np.arange(len(train_counts)), train_counts)
    users = np.concatenate([np.arange(len(items)), np.zeros(len(held_out), dtype=int)])
    items = np.concatenate([items, held_out])
    splits = np.full(len(items), TRAIN, dtype=np.int8)
    splits[len(items) - len(held_out) :] = VALID
    order = np.argsort(users, kind="stable")
    events = Interactions(
        users[order],
        items[order],
        np.arange(len(items)),
        None,
        id_keys(range(users.max() + 1)),
        id_keys(range(len(train_counts))),
    )
    return events, Split("by hand", splits[order])


def test_quintiles_hold_a_fifth_of_the_training_events():
    events, split = corpus([1, 1, 1, 1, 4, 4, 4, 4, 0], [8, 0])  # 20 training events
    result = slices(np.zeros(9, dtype=int), np.arange(9), events, split)
    of_item = {q: np.flatnonzero(result[f"item-frequency-q{q}"]).tolist() for q in range(1, 6)}
    # the four rare items have the first fifth; the four others are equal and stay together
    assert of_item == {1: [0, 1, 2, 3], 2: [4, 5, 6, 7], 3: [], 4: [], 5: []}
    assert np.flatnonzero(result["unseen-item"]).tolist() == [8]


def test_every_target_is_in_one_quintile_or_unseen():
    rng = np.random.default_rng(0)
    events, split = corpus(rng.geometric(0.05, 60), [0, 1])
    targets = rng.integers(0, 60, 500)
    result = slices(rng.integers(0, events.n_users, 500), targets, events, split)
    shares = [mask for name, mask in result.items() if name != "short-history"]
    np.testing.assert_array_equal(np.sum(shares, axis=0), 1)
    met = slices(np.zeros(len(split.of_event), dtype=int), events.items, events, split)
    train = split.mask("train")
    for q in range(1, 6):
        assert 0.1 < met[f"item-frequency-q{q}"][train].mean() < 0.35


def test_short_history_counts_training_events_only():
    users = np.repeat([0, 1], [6, 7])
    splits = np.array([TRAIN] * 5 + [VALID] + [TRAIN] * 6 + [VALID], dtype=np.int8)
    events = Interactions(
        users, np.arange(13), np.arange(13), None, id_keys(range(2)), id_keys(range(13))
    )
    result = slices(np.array([0, 1]), np.array([5, 12]), events, Split("by hand", splits))
    assert result["short-history"].tolist() == [True, False]
    assert result["unseen-item"].tolist() == [True, True]


def test_a_repeat_is_a_target_with_an_earlier_event_of_the_user():
    users = np.array([0, 0, 0, 1, 1, 1])
    items = np.array([3, 4, 3, 4, 3, 4])
    splits = np.array([TRAIN, TRAIN, VALID, TRAIN, TRAIN, VALID], dtype=np.int8)
    events = Interactions(users, items, np.arange(6), None, id_keys(range(2)), id_keys(range(5)))
    split = Split("by hand", splits)

    def of(events_of, targets):
        own = np.array(events_of)
        result = slices(np.zeros(len(own), dtype=int), np.array(targets), events, split, own)
        assert ("repeat" in result) == ("new" in result)
        return result["repeat"].tolist() if "repeat" in result else None

    # event 4 is user 1's first of item 3, which user 0 had; -1 is no event at all
    assert of([2, 5, 4, -1], [3, 4, 3, 4]) == [True, True, False, False]
    assert of([2, 2], [3, 4]) == [True, False]  # the target is not the item of the event
    assert of([0, 4], [3, 3]) is None  # no repeat: no slices
    assert "repeat" not in slices(np.zeros(1, dtype=int), np.array([3]), events, split)


def test_an_instance_without_a_user_has_no_short_history():
    events, split = corpus([1, 1], [1])
    assert slices(np.array([-1, 0]), np.array([1, 1]), events, split)["short-history"].tolist() == [
        False, True
    ]  # fmt: skip
