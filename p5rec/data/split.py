"""Which events train, validate and test, and the requests that follow from it.

Rules, each over a user's events in time order:

- ``leave-one-out``: the last event tests, the one before validates, the rest train; a user with
  fewer than 3 events trains only.
- ``user-time``: event ``j`` of ``n`` trains while ``(j + 1/2) / n < 0.8``, validates while it is
  below 0.9, and tests from there on.
- ``time``: the log is cut at the times of its 80 % and 90 % event; events of one moment stay on
  one side. Where it is said from when events test, that is the second cut, and the first is at the
  time of 8/9 of the events before.
- ``few-shot``: leave-one-out, with ``k`` of the training events drawn for each user; the others
  are ``UNUSED``, in no split.
- ``last-basket``: the events of the last basket test, those of the one before validate, the rest
  train; a user with fewer than 3 baskets trains only. Asked for is the whole basket.
- ``last-basket-item``: the same splits, and asked for is one event of the basket, drawn by its key.
- ``all``: every event trains. Nothing is held out, so nothing can be chosen or evaluated.

Where behaviours say which events are targets, the rules count target events alone, as if there were
no others. Those others are history: they train nothing by themselves and are never held out. One
is in the training split as long as it comes before its user's first held-out event (under ``time``
also before anybody's), and in no split from there on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from p5rec.core.errors import UserError, did_you_mean
from p5rec.core.rng import keyed
from p5rec.core.types import (
    SPLITS,
    TEST,
    TRAIN,
    VALID,
    Histories,
    Interactions,
    Split,
    numbered,
    runs,
)

UNUSED = -1
ALL = "all"  # the rule that holds nothing out
OF_BASKETS = ("last-basket", "last-basket-item")  # rules that hold out baskets
RULES = ("leave-one-out", "user-time", "time", "few-shot", *OF_BASKETS, ALL)


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
        name: a rule, see the module.
        seed: draws the few-shot events.
        few_shot: training events a user, under ``few-shot``.
        test_from: the first time that tests, under ``time``; None: see the module.

    Raises:
        UserError: no such rule.
    """
    if interactions.is_target.all():
        return Split(name, _parts(interactions, name, seed, few_shot, test_from), seed)
    targets = np.flatnonzero(interactions.is_target)
    splits = np.full(len(interactions), UNUSED, dtype=np.int8)
    splits[targets] = _parts(interactions.take(targets), name, seed, few_shot, test_from)
    splits[~interactions.is_target & _before_held_out(interactions, splits, name)] = TRAIN
    return Split(name, splits, seed)


def _parts(
    interactions: Interactions, name: str, seed: int, few_shot: int, test_from: int | None
) -> np.ndarray:
    """``(E,)`` int8, the splits of events that may all be held out."""
    if name == "time":
        return _by_time(interactions.times, test_from)
    if name == "user-time":
        return _by_user_time(interactions)
    if name in ("leave-one-out", "few-shot"):
        splits = _leave_one_out(interactions)
        return _few(interactions, splits, few_shot, seed) if name == "few-shot" else splits
    if name in OF_BASKETS:
        return _last_basket(interactions)
    if name == ALL:
        return np.full(len(interactions), TRAIN, dtype=np.int8)
    raise UserError(f"expected a known split, got {name!r}; {did_you_mean(name, RULES)}")


def _before_held_out(interactions: Interactions, splits: np.ndarray, name: str) -> np.ndarray:
    """``(E,)`` bool: events before their user's first held-out one, under ``time`` all users'."""
    held = np.flatnonzero(splits > TRAIN)
    first = np.full(interactions.n_users, len(interactions))
    np.minimum.at(first, interactions.users[held], held)
    before: np.ndarray = np.arange(len(interactions)) < first[interactions.users]
    if name == "time" and len(held):
        before &= interactions.times < interactions.times[held].min()
    return before


def histories_of(interactions: Interactions, users: np.ndarray | None = None) -> Histories:
    """Everything that users did, whatever the split: what a list for today is made from.

    Args:
        interactions: E events.
        users: ``(B,)`` user rows, in the order wanted; None means all of them.
    """
    offsets = interactions.offsets
    if users is None:
        users = np.arange(interactions.n_users)
    rows, own = runs(offsets[users], offsets[users + 1] - offsets[users])
    return histories_from(interactions, users.astype(np.int32), rows, own)


def histories_from(
    interactions: Interactions, users: np.ndarray, events: np.ndarray, offsets: np.ndarray
) -> Histories:
    """Requests of ``users (B,)`` that hold ``events (S,)``, split at ``offsets (B + 1,)``."""
    baskets, done = interactions.baskets, interactions.behaviours
    return Histories(
        users,
        interactions.items[events],
        offsets,
        interactions.user_keys[users],
        None if baskets is None else baskets[events],
        None if done is None else done.take(events),
    )


def baskets_of(interactions: Interactions) -> np.ndarray:
    """``(E,)`` the number of each event's basket, from 0; of a log without any, events of one
    moment."""
    return numbered(interactions.users, interactions.moments)


def cases(
    interactions: Interactions, split: Split, split_name: str, history: Sequence[str] | None = None
) -> tuple[Histories, np.ndarray, np.ndarray]:
    """One question for each user with an event in ``split``: which item was the last one there, or
    under ``last-basket`` which items were.

    Args:
        interactions: E events.
        split: their splits.
        split: ``valid`` or ``test``.
        history: splits that the history may come from, besides ``split`` itself; None means all
            that lie before it (``train``, and ``valid`` under ``test``).

    Returns:
        B requests, each with all the user's events of those splits before the target, oldest
        first (empty for a user who is new in ``split``, which the rule ``time`` brings about), under
        a rule of baskets with none of the target's basket; the targets ``(B,)`` int32 item rows;
        their events ``(B,)`` int64 rows. Under ``last-basket`` both are ``(B, T)``, each item of a
        basket once, filled up with -1.
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
        events = _side_by_side(interactions, within, users)
    return histories, np.where(events >= 0, interactions.items[events], -1), events


def each_target(events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The targets of :func:`cases` one by one: ``(n,)`` the request of each, ``(n,)`` its event.

    Args:
        events: ``(B,)`` or ``(B, T)``.
    """
    table = events if events.ndim == 2 else events[:, None]
    requests, at = np.nonzero(table >= 0)
    return requests, table[requests, at]


def _side_by_side(interactions: Interactions, events: np.ndarray, users: np.ndarray) -> np.ndarray:
    """``(B, T)`` int64: of ``events (n,)`` those of each of ``users (B,)``, the first with each
    item, filled up with -1."""
    pairs = interactions.users[events].astype(np.int64) * interactions.n_items
    _, first = np.unique(pairs + interactions.items[events], return_index=True)
    events = events[np.sort(first)]
    request = np.searchsorted(users, interactions.users[events])
    place = np.arange(len(events)) - np.searchsorted(request, request)
    table = np.full((len(users), int(place.max(initial=0)) + 1), -1, dtype=np.int64)
    table[request, place] = events
    return table


def _positions(interactions: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """For each event ``(E,)``: its place among its user's events, and their number."""
    offsets = interactions.offsets
    place = np.arange(len(interactions)) - offsets[interactions.users]
    return place, np.diff(offsets)[interactions.users]


def _leave_one_out(interactions: Interactions) -> np.ndarray:
    place, count = _positions(interactions)
    splits = np.full(len(interactions), TRAIN, dtype=np.int8)
    splits[(count >= 3) & (place == count - 2)] = VALID
    splits[(count >= 3) & (place == count - 1)] = TEST
    return splits


def _last_basket(interactions: Interactions) -> np.ndarray:
    baskets, offsets, users = baskets_of(interactions), interactions.offsets, interactions.users
    starts, ends = baskets[offsets[users]], baskets[offsets[users + 1] - 1]
    behind, enough = ends - baskets, ends - starts >= 2
    splits = np.full(len(interactions), TRAIN, dtype=np.int8)
    splits[enough & (behind == 1)] = VALID
    splits[enough & (behind == 0)] = TEST
    return splits


def _by_user_time(interactions: Interactions) -> np.ndarray:
    place, count = _positions(interactions)
    middle = (2 * place + 1) * 5  # of 10 * count; whole numbers, so no event sits on a float's edge
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


def _few(interactions: Interactions, splits: np.ndarray, k: int, seed: int) -> np.ndarray:
    train = np.flatnonzero(splits == TRAIN)
    users = interactions.users[train]
    luck = keyed(interactions.event_keys[train], seed, "few-shot")
    order = np.lexsort((luck, users))
    starts = np.searchsorted(users, users)  # users ascend, so sorting within them moves no start
    drawn = np.arange(len(train)) - starts < k
    kept = splits.copy()
    kept[train[order[~drawn]]] = UNUSED
    return kept


def _offsets(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
