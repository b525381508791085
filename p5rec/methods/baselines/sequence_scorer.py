"""The base class of predictors whose network reads a history event by event.

B requests, N items, T events, D width.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from p5rec.core.features import behaviour_codes
from p5rec.core.types import Histories

from . import fitting
from .scorer import ItemScorer
from .sequences import length_buckets


class SequenceSettings(Protocol):
    """The settings that queries read."""

    @property
    def width(self) -> int: ...
    @property
    def window(self) -> int: ...


class SequenceScorer(ItemScorer):
    """Ranks by the cosine of item vectors and the hidden state after the last event.

    A request without a history gets the most popular items.

    Attributes:
        counts: ``(N,)`` float32 training events of each item.
        method: the settings of the fit.
    """

    counts: np.ndarray
    method: SequenceSettings

    @property
    def behaviours(self) -> tuple[str, ...]:
        """Names of the behaviours that it distinguishes."""
        raise NotImplementedError

    @property
    def vectors(self) -> np.ndarray:
        """``(N, D)`` float32 unit vectors of the items."""
        raise NotImplementedError

    def columns(self, histories: Histories) -> tuple[np.ndarray, ...]:
        """The features ``(S,)`` of the events that :meth:`states` reads: items and behaviours."""
        codes = behaviour_codes(histories.behaviours, self.behaviours, len(histories.items))
        return histories.items, codes

    def states(self, *columns: Tensor) -> Tensor:
        """``(B, T, D)`` unit states of events with the features ``columns``, each ``(B, T)``."""
        raise NotImplementedError

    @torch.no_grad()
    def last_states(self, histories: Histories, *more: np.ndarray) -> np.ndarray:
        """``(B, D)`` float32 unit states after the last events; 0 without a history.

        Args:
            histories: of at most the window's number of events.
            more: further features ``(S,)`` of their events.
        """
        window, columns = self.method.window, (*self.columns(histories), *more)
        states = np.zeros((len(histories), self.method.width), dtype=np.float32)
        for rows, read, last in length_buckets(histories, window, *columns):
            hidden = self.states(*map(torch.from_numpy, read))
            states[rows] = hidden[np.arange(len(rows)), last[: len(rows)]].numpy()
        return states

    def scores(self, histories: Histories) -> np.ndarray:
        """See :class:`.scorer.ItemScorer`."""
        states = self.last_states(histories.tail(self.method.window))
        scores = fitting.products(states, self.vectors)
        scores[histories.lengths == 0] = self.counts
        return scores
