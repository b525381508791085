"""Splits of the events into training, validation and test, and the test instances of a split.

Rules, each over a user's events in time order:

- ``leave-one-out``: the last event is test, the one before is validation, the others are training.
  A user with fewer than 3 events has only training events.
- ``user-time``: event ``j`` of ``n`` is training if ``(j + 1/2) / n < 0.8``, validation if it is
  below 0.9, else test.
- ``time``: two cuts for all users, at the 80 % and 90 % quantiles of the event times. Events of one
  moment are on the same side. ``test_from`` sets the second cut; the first is then at the 8/9
  quantile of the earlier events.
- ``random``: every event by a draw of its own: training with probability 0.8, validation and test
  with probability 0.1. Later events help to predict earlier ones, so it is easier than a split by
  time, and serves the comparison with published tables alone.
- ``few-shot``: leave-one-out with ``k`` random training events per user; the other training events
  are ``UNUSED``, in no split.
- ``last-basket``: the last basket is test, the one before is validation, the others are training. A
  user with fewer than 3 baskets has only training events. The target is the whole basket.
- ``last-basket-item``: the same splits; the target is one random event of the basket.
- ``all``: every event is training. Nothing is held out, so no choice and no evaluation is possible.

If the log has several behaviours, the rules apply to target events only. Auxiliary events are no
targets and are never held out. An auxiliary event is in the training split if it comes before its
user's first held-out event (under ``time``: before the first held-out event of any user), else in
no split.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from p5rec.core.errors import UserError, did_you_mean
from p5rec.core.rng import keyed, uniform
from p5rec.core.types import (
    SPLITS,
    TEST,
    TRAIN,
    VALID,
    Histories,
    Interactions,
    Split,
    group_numbers,
    ranges,
)

UNUSED = -1
ALL = "all"  # the rule without held-out events
OF_BASKETS = ("last-basket", "last-basket-item")  # rules that hold out baskets
RULES = ("leave-one-out", "user-time", "time", "random", "few-shot", *OF_BASKETS, ALL)


def make_split(
    interactions: Interactions,
    name: str,
    seed: int = 0,
    *,
    few_shot: int = 5,
    test_from: int | None = None,
) -> Split:
    """The split of ``interactions`` by the rule ``name``.

    Args:
        interactions: E events.
        name: the rule; see the module docstring.
        seed: the seed of the random split and of the few-shot events.
        few_shot: training events per user, under ``few-shot``.
        test_from: the first test time, under ``time``; None uses the 90 % quantile.

    Raises:
        UserError: the rule is unknown.
    """
    if interactions.is_target.all():
        return Split(name, _splits_of_targets(interactions, name, seed, few_shot, test_from), seed)
    targets = np.flatnonzero(interactions.is_target)
    splits = np.full(len(interactions), UNUSED, dtype=np.int8)
    splits[targets] = _splits_of_targets(
        interactions.take(targets), name, seed, few_shot, test_from
    )
    splits[~interactions.is_target & _before_held_out(interactions, splits, name)] = TRAIN
    return Split(name, splits, seed)


def _splits_of_targets(
    interactions: Interactions, name: str, seed: int, few_shot: int, test_from: int | None
) -> np.ndarray:
    """``(E,)`` int8, the splits of E target events."""
    if name == "time":
        return _by_time(interactions.times, test_from)
    if name == "user-time":
        return _by_user_time(interactions)
    if name == "random":
        return _random(interactions, seed)
    if name in ("leave-one-out", "few-shot"):
        splits = _leave_one_out(interactions)
        return _few(interactions, splits, few_shot, seed) if name == "few-shot" else splits
    if name in OF_BASKETS:
        return _last_basket(interactions)
    if name == ALL:
        return np.full(len(interactions), TRAIN, dtype=np.int8)
    raise UserError(f"expected a known split, got {name!r}; {did_you_mean(name, RULES)}")


def _before_held_out(interactions: Interactions, splits: np.ndarray, name: str) -> np.ndarray:
    """``(E,)`` bool: events before the first held-out event of their user (``time``: of all)."""
    held_out = np.flatnonzero(splits > TRAIN)
    first = np.full(interactions.n_users, len(interactions))
    np.minimum.at(first, interactions.users[held_out], held_out)
    before: np.ndarray = np.arange(len(interactions)) < first[interactions.users]
    if name == "time" and len(held_out):
        before &= interactions.times < interactions.times[held_out].min()
    return before


def histories_of(interactions: Interactions, users: np.ndarray | None = None) -> Histories:
    """The full histories of users, ignoring the split: the input of recommendations for today.

    Args:
        interactions: E events.
        users: ``(B,)`` user row numbers; None means all users.
    """
    offsets = interactions.offsets
    if users is None:
        users = np.arange(interactions.n_users)
    events, request_offsets = ranges(offsets[users], offsets[users + 1] - offsets[users])
    return histories_from(interactions, users.astype(np.int32), events, request_offsets)


def histories_from(
    interactions: Interactions, users: np.ndarray, events: np.ndarray, offsets: np.ndarray
) -> Histories:
    """Requests of ``users (B,)`` with the events ``events (S,)``, cut at ``offsets (B + 1,)``."""
    log = interactions
    return Histories(
        users,
        log.items[events],
        offsets,
        log.user_keys[users],
        None if log.baskets is None else log.baskets[events],
        None if log.behaviours is None else log.behaviours.take(events),
        None if log.labels is None else log.labels[events],
        None if log.ratings is None else log.ratings[events],
    )


def baskets_of(interactions: Interactions) -> np.ndarray:
    """``(E,)`` the basket number of each event, from 0.

    In a log without baskets, a user's events of one moment form a basket.
    """
    return group_numbers(interactions.users, interactions.moments)


def instances(
    interactions: Interactions, split: Split, split_name: str, history: Sequence[str] | None = None
) -> tuple[Histories, np.ndarray, np.ndarray]:
    """The test instances of a split: one for each user with an event in it.

    The target is the user's last item in the split; under ``last-basket``, all items of the basket.

    Args:
        interactions: E events.
        split: their splits.
        split_name: ``valid`` or ``test``.
        history: the splits of the history's events, besides ``split_name`` itself; None means all
            earlier splits (``train``, and ``valid`` for ``test``).

    Returns:
        B requests, each with the user's events of these splits before the target, oldest first.
        Under a basket rule they contain no event of the target's basket. The history of a new user
        (possible under ``time``) is empty. Then the targets ``(B,)``, int32 item row numbers, and
        their events ``(B,)``, int64 indices. Under ``last-basket`` both are ``(B, T)`` with each
        item of the basket once, padded with -1.
    """
    before = (
        history if history is not None else [p for p in SPLITS if SPLITS[p] < SPLITS[split_name]]
    )
    within = np.flatnonzero(split.mask(split_name))
    owners = interactions.users[within]
    last = np.flatnonzero(np.diff(owners, append=-1))
    events, users = within[last], owners[last]
    of_baskets = split.name in OF_BASKETS
    until = np.full(interactions.n_users, -1, dtype=np.int64)
    until[users] = within[np.flatnonzero(np.diff(owners, prepend=-1))] if of_baskets else events
    usable = split.mask(*before) if of_baskets else split.mask(split_name, *before)
    usable &= np.arange(len(interactions)) < until[interactions.users]
    counts = np.bincount(interactions.users[usable], minlength=interactions.n_users)[users]
    histories = histories_from(interactions, users, np.flatnonzero(usable), _offsets(counts))
    if split.name == "last-basket":
        events = _padded_by_user(interactions, within, users)
    return histories, np.where(events >= 0, interactions.items[events], -1), events


def each_target(events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The targets of :func:`instances` one by one: ``(n,)`` their requests, ``(n,)`` their events.

    Args:
        events: ``(B,)`` or ``(B, T)``.
    """
    padded = events if events.ndim == 2 else events[:, None]
    requests, at = np.nonzero(padded >= 0)
    return requests, padded[requests, at]


def _padded_by_user(
    interactions: Interactions, events: np.ndarray, users: np.ndarray
) -> np.ndarray:
    """``(B, T)`` int64: the ``events (n,)`` of each of ``users (B,)``, the first event with each
    item, padded with -1."""
    pairs = interactions.users[events].astype(np.int64) * interactions.n_items
    _, first = np.unique(pairs + interactions.items[events], return_index=True)
    events = events[np.sort(first)]
    request = np.searchsorted(users, interactions.users[events])
    position = np.arange(len(events)) - np.searchsorted(request, request)
    padded = np.full((len(users), int(position.max(initial=0)) + 1), -1, dtype=np.int64)
    padded[request, position] = events
    return padded


def _positions(interactions: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """For each event ``(E,)``: its position among its user's events, and their number."""
    offsets = interactions.offsets
    position = np.arange(len(interactions)) - offsets[interactions.users]
    return position, np.diff(offsets)[interactions.users]


def _leave_one_out(interactions: Interactions) -> np.ndarray:
    position, count = _positions(interactions)
    splits = np.full(len(interactions), TRAIN, dtype=np.int8)
    splits[(count >= 3) & (position == count - 2)] = VALID
    splits[(count >= 3) & (position == count - 1)] = TEST
    return splits


def _last_basket(interactions: Interactions) -> np.ndarray:
    baskets, offsets, users = baskets_of(interactions), interactions.offsets, interactions.users
    starts, ends = baskets[offsets[users]], baskets[offsets[users + 1] - 1]
    later, enough = ends - baskets, ends - starts >= 2
    splits = np.full(len(interactions), TRAIN, dtype=np.int8)
    splits[enough & (later == 1)] = VALID
    splits[enough & (later == 0)] = TEST
    return splits


def _by_user_time(interactions: Interactions) -> np.ndarray:
    position, count = _positions(interactions)
    middle = (2 * position + 1) * 5  # of 10 * count; integers avoid rounding at the cuts
    return np.where(middle < 8 * count, TRAIN, np.where(middle < 9 * count, VALID, TEST)).astype(
        np.int8
    )


def _by_time(times: np.ndarray, test_from: int | None) -> np.ndarray:
    if not len(times):
        return np.zeros(0, dtype=np.int8)
    ordered = np.sort(times)
    first_valid, first_test = ordered[[len(times) * 8 // 10, len(times) * 9 // 10]]
    if test_from is not None:
        first_valid, first_test = ordered[np.searchsorted(ordered, test_from) * 8 // 9], test_from
    return np.where(times < first_valid, TRAIN, np.where(times < first_test, VALID, TEST)).astype(
        np.int8
    )


def _random(interactions: Interactions, seed: int) -> np.ndarray:
    draws = uniform(keyed(interactions.event_keys, seed, "random split"))
    return np.where(draws < 0.8, TRAIN, np.where(draws < 0.9, VALID, TEST)).astype(np.int8)


def _few(interactions: Interactions, splits: np.ndarray, k: int, seed: int) -> np.ndarray:
    train = np.flatnonzero(splits == TRAIN)
    users = interactions.users[train]
    random = keyed(interactions.event_keys[train], seed, "few-shot")
    order = np.lexsort((random, users))
    starts = np.searchsorted(users, users)  # users ascend, so sorting within a user moves no start
    chosen = np.arange(len(train)) - starts < k
    reduced = splits.copy()
    reduced[train[order[~chosen]]] = UNUSED
    return reduced


def _offsets(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
