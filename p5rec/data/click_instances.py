"""The instances of click prediction: pairs of an event's user and an item, with label and history.

Histories follow the rule ``all earlier`` of :mod:`.earlier_events`. B instances, N items.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from p5rec.core.rng import keyed
from p5rec.core.types import Corpus, Histories

from .available import ALWAYS, NEVER, Available
from .earlier_events import EarlierEvents
from .negatives import unmet_items


@dataclass(frozen=True, eq=False)
class ClickInstances:
    """B labelled pairs of a user and an item.

    Attributes:
        users: ``(B,)`` int32 user row numbers.
        items: ``(B,)`` int32 item row numbers.
        labels: ``(B,)`` int8, 1 positive or 0 negative.
        events: ``(B,)`` int64, the event of each instance; a sampled negative has the event that it
            was sampled for.
        histories: B requests, each with the events before its instance and the event's context.
        sampled: whether the negatives are sampled items; else they are labelled events.
    """

    users: np.ndarray
    items: np.ndarray
    labels: np.ndarray
    events: np.ndarray
    histories: Histories
    sampled: bool = False

    def __len__(self) -> int:
        return len(self.users)

    def take(self, chosen: np.ndarray) -> ClickInstances:
        """The instances with the indices ``chosen``, in that order."""
        return ClickInstances(
            self.users[chosen],
            self.items[chosen],
            self.labels[chosen],
            self.events[chosen],
            self.histories.take(chosen),
            self.sampled,
        )


def click_instances(
    corpus: Corpus, split_name: str, seed: int, most: int | None = None
) -> ClickInstances:
    """The click instances of a split, in the order of its events.

    They are the labelled events of target behaviours. If no event has a label, each event is a
    positive instance and is followed by a sampled negative: an item that was available at the time
    and that the user has no event with. Training counts training events alone here. A user who has
    met every available item gets no negative. Profile events are no instances.

    Args:
        corpus: the data.
        split_name: ``train``, ``valid`` or ``test``.
        seed: seed of sampled negatives.
        most: the number of events in a history, the latest ones; None takes all.
    """
    log, split = corpus.interactions, corpus.split
    chosen = split.mask(split_name) & log.is_target
    if split.profile is not None:
        chosen &= ~split.profile
    sampled = log.labels is None or not (log.labels >= 0).any()
    if sampled:
        events, items, labels = _with_negatives(corpus, split_name, np.flatnonzero(chosen), seed)
    else:
        assert log.labels is not None
        events = np.flatnonzero(chosen & (log.labels >= 0))
        items, labels = log.items[events], log.labels[events]
    histories = EarlierEvents(log, split).histories(events, all_earlier=True, most=most)
    return ClickInstances(log.users[events], items, labels, events, histories, sampled)


def _with_negatives(
    corpus: Corpus, split_name: str, events: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Events, items and labels ``(B,)`` of ``events`` and their sampled negatives."""
    log = corpus.interactions
    met, others = np.ones(len(log), dtype=bool), ALWAYS
    if split_name == "train":  # an item without training events would be a negative alone
        met, others = corpus.split.mask("train"), NEVER
    random = keyed(log.event_keys[events], seed, "click negatives")
    available = Available.of(log, met, others=others)
    negatives = unmet_items(
        log.users[met], log.items[met], log.users[events], log.times[events], available, random
    )
    items = np.stack([log.items[events], negatives], axis=1).ravel()
    labels = np.tile(np.array([1, 0], dtype=np.int8), len(events))
    exists = items >= 0
    return np.repeat(events, 2)[exists], items[exists].astype(np.int32), labels[exists]
