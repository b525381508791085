"""The histories of single events: which earlier events of its user an event may see.

Two rules:

- ``earlier splits``: a training or validation event sees earlier training events, a test event
  earlier training and validation events. Events of one moment keep the seeded order of the log.
- ``all earlier``: a held-out event sees every event of an earlier moment, held-out events and their
  labels included, as a service would. A training event sees training events of an earlier moment.

No event sees the target events that a split has dropped. E events, B of which get a history; S is
the total length of these histories.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from p5rec.core.types import TRAIN, VALID, Histories, Interactions, Split, group_numbers, ranges

from .split import histories_from

OF_TRAINING, OF_EARLIER_SPLITS, ALL = 0, 1, 2  # the events that an event may see


@dataclass(frozen=True, eq=False)
class EarlierEvents:
    """The earlier events that each event of a log may see."""

    interactions: Interactions
    split: Split

    def before(
        self, events: np.ndarray, *, all_earlier: bool = False, most: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The earlier events of the user of each of ``events``, oldest first.

        Args:
            events: ``(B,)`` event rows.
            all_earlier: the rule ``all earlier`` instead of ``earlier splits``.
            most: the number of events in a history, the latest ones; None takes all.

        Returns:
            ``(S,)`` event rows; ``(B + 1,)`` int64, the offsets of the B histories.
        """
        of_event, log = self.split.of_event[events], self.interactions
        ends = self._first_of_moment[events] if all_earlier else events
        held_out = ALL if all_earlier else OF_EARLIER_SPLITS
        sees = np.where(of_event > (TRAIN if all_earlier else VALID), held_out, OF_TRAINING)
        rows, passed = self._visible
        stops = passed[sees, ends]
        counts = stops - passed[sees, log.offsets[log.users[events]]]
        counts = counts if most is None else np.minimum(counts, most)
        at, offsets = ranges(stops - counts, counts)
        return rows[at], offsets

    def histories(
        self, events: np.ndarray, *, all_earlier: bool = False, most: int | None = None
    ) -> Histories:
        """B requests: the users of ``events``, their histories and the context of the events.

        Arguments as those of :meth:`before`.
        """
        log = self.interactions
        rows, offsets = self.before(events, all_earlier=all_earlier, most=most)
        histories = histories_from(log, log.users[events], rows, offsets)
        return replace(histories, context=log.context_at(events))

    @cached_property
    def _visible(self) -> tuple[np.ndarray, np.ndarray]:
        """The visible events of each of the three kinds, one kind after another; and ``(3, E + 1)``
        the number of them before each event."""
        of_event = self.split.of_event
        train, kept = of_event == TRAIN, of_event >= TRAIN
        masks = [train, train | (of_event == VALID), kept | ~self.interactions.is_target]
        passed = np.zeros((len(masks), len(of_event) + 1), dtype=np.int64)
        np.cumsum(masks, axis=1, out=passed[:, 1:])
        passed[1:] += np.cumsum(passed[:-1, -1])[:, None]
        return np.concatenate([np.flatnonzero(mask) for mask in masks]), passed

    @cached_property
    def _first_of_moment(self) -> np.ndarray:
        """``(E,)`` int64: the first event of the user at the moment of each event."""
        log = self.interactions
        groups = group_numbers(log.users, log.moments)
        first: np.ndarray = np.searchsorted(groups, groups)
        return first
