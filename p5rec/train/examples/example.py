"""One training row, whatever its task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

IGNORE = -100


@dataclass(frozen=True, eq=False)
class TrainingExample:
    """Token ids and what is asked of them.

    Attributes:
        input_ids: ``(T,)`` int64.
        labels: ``(T,)`` int64, aligned with ``input_ids``, ``IGNORE`` where nothing is asked.
        ratings: ``(T,)`` float32, what the rating heads are to say at a token that ends a question
            or an item, else NaN; None: nothing anywhere.
        blank: ``(T,)`` bool, tokens that keep their place but are not shown; None: all are.
        split: how many of the tokens the encoder reads where there is one; the decoder is asked
            for those that follow.
        stop: where the decoder's part ends; None: with the row.
        candidates: ``(T, K)`` int64, where an item begins: it and items that are to rank below it,
            -1 in place of such as there are not, and at all other tokens; None: nothing anywhere.
        reference: ``(T, K)`` float32, their log-probabilities before alignment.
        draws: ``(T,)`` int64, the seed of what is drawn in place of the item that begins at a
            token, 0 where nothing is; None: nothing anywhere.
        back: ``(T,)`` int64, how many positions before its own stands the one that is to name the
            item that begins at a token; None: it is the one before, always.
        shortened, cut: of a prompt that was too long (see ``p5rec.models.inputs.PromptTokens``); an
            answer that lost its end is cut, too.
    """

    input_ids: np.ndarray
    labels: np.ndarray
    ratings: np.ndarray | None = None
    blank: np.ndarray | None = None
    split: int = 1
    stop: int | None = None
    candidates: np.ndarray | None = None
    reference: np.ndarray | None = None
    draws: np.ndarray | None = None
    back: np.ndarray | None = None
    shortened: bool = False
    cut: bool = False

    def halves(self, start: int) -> tuple[TrainingExample, TrainingExample]:
        """What an encoder reads, and what its decoder reads and is asked.

        Args:
            start: the token that opens every answer. It stands where the last token of the source
                stood, so what was to be said of that one is said there.
        """
        at, end, ratings, blank = self.split, self.stop, self.ratings, self.blank
        back = None if self.back is None else np.concatenate([[1], self.back[at:end]])
        opened = np.concatenate([[start], self.input_ids[at:end]])
        labels = np.concatenate([[IGNORE], self.labels[at:end]])
        hidden = None if blank is None else np.concatenate([[False], blank[at:end]])
        source = TrainingExample(
            self.input_ids[:at], np.full(at, IGNORE), blank=None if blank is None else blank[:at]
        )
        told = None if ratings is None else ratings[at - 1 : end]
        return source, TrainingExample(opened, labels, told, hidden, back=back)


class TrainingExamples(Protocol):
    """Rows of one task: row ``i`` is the same whenever, wherever and in what order it is asked."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int) -> TrainingExample: ...

    @property
    def lengths(self) -> np.ndarray:
        """``(len,)`` tokens a row, exact or estimated, for batching by length."""
        ...
