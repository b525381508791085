"""One training example of any task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

IGNORE = -100
# optional fields of an example → the value of each token without the field
FILLERS: dict[str, Any] = {
    "blank": np.False_,
    "ratings": np.float32(np.nan),
    "candidates": np.int64(-1),
    "reference": np.float32(0),
    "sample_seeds": np.int64(0),
    "steps_back": np.int64(1),
    "after": np.int64(-1),
    "soft": np.int64(-1),
}


@dataclass(frozen=True, eq=False)
class TrainingExample:
    """Token ids and their targets.

    Attributes:
        input_ids: ``(T,)`` int64.
        labels: ``(T,)`` int64, aligned with ``input_ids``, ``IGNORE`` for no target.
        ratings: ``(T,)`` float32, target of the rating heads at the last token of a prompt or an
            item, else NaN; None: no ratings.
        blank: ``(T,)`` bool, tokens hidden from the model; None: none.
        split: number of tokens that the encoder reads, if there is one; the decoder predicts the
            following ones.
        stop: end of the decoder's tokens; None: the end of the example.
        candidates: ``(T, K)`` int64, at the first token of a target item: the item, then rejected
            items; -1 for missing ones and at all other tokens; None: no candidates.
        reference: ``(T, K)`` float32, log-probabilities of the candidates before alignment.
        sample_seeds: ``(T,)`` int64, at the first token of a target item: the seed of the items
            sampled there; 0 at all other tokens; None: no seeds.
        steps_back: ``(T,)`` int64, at the first token of an item: how many positions earlier it is
            predicted; None: one position earlier, always.
        branches: ``(T,)`` int64, the branch of each token, ascending from 0, the history that the
            others continue; None: one branch.
        after: ``(T,)`` int64, the token that the branch of each token continues, -1 for none; None:
            no branch continues another.
        soft: ``(T,)`` int64, the row in ``points`` of the vector that each token stands for, -1 for
            a word; None: all tokens are words.
        points: ``(V, d)`` float32, the vectors; None: there are none.
        tasks: ``(T,)`` int64, the task of each token; None: all are of the slot's task.
        shortened, cut: of a prompt that was too long (see ``p5rec.models.inputs.PromptTokens``); a
            truncated target counts as cut, too.
    """

    input_ids: np.ndarray
    labels: np.ndarray
    ratings: np.ndarray | None = None
    blank: np.ndarray | None = None
    split: int = 1
    stop: int | None = None
    candidates: np.ndarray | None = None
    reference: np.ndarray | None = None
    sample_seeds: np.ndarray | None = None
    steps_back: np.ndarray | None = None
    branches: np.ndarray | None = None
    after: np.ndarray | None = None
    soft: np.ndarray | None = None
    points: np.ndarray | None = None
    tasks: np.ndarray | None = None
    shortened: bool = False
    cut: bool = False

    def until(self, end: int) -> TrainingExample:
        """The first ``end`` tokens of the example."""
        fields = ("input_ids", "labels", *FILLERS, "branches", "tasks")
        shorter: dict[str, Any] = {
            n: values[:end] for n in fields if (values := getattr(self, n)) is not None
        }
        return replace(self, **shorter)

    def encoder_and_decoder(self, start: int) -> tuple[TrainingExample, TrainingExample]:
        """The example divided into the encoder's input and the decoder's input with targets.

        Args:
            start: the start token of the decoder, with which each branch begins. The first one
                takes the index of the last source token, so it has that token's rating target.
        """
        at, read = self.split, slice(self.split, self.stop)
        branches = np.zeros_like(self.labels) if self.branches is None else self.branches
        # where a branch begins in the decoder's tokens
        openings = np.append(0, 1 + np.flatnonzero(np.diff(branches[read])))

        def opened(values: np.ndarray, filler: Any) -> np.ndarray:
            return np.insert(values[read], openings, filler, axis=0)

        fields: dict[str, Any] = {
            name: opened(values, FILLERS[name])
            for name in ("ratings", "blank", "steps_back")
            if (values := getattr(self, name)) is not None
        }
        if self.ratings is not None:
            fields["ratings"][0] = self.ratings[at - 1]
        for name in ("branches", "tasks"):
            if (values := getattr(self, name)) is not None:
                fields[name] = opened(values, values[read][openings])
        source = TrainingExample(
            self.input_ids[:at],
            np.full(at, IGNORE),
            blank=None if self.blank is None else self.blank[:at],
            soft=None if self.soft is None else self.soft[:at],
            points=self.points,
        )
        ids, labels = opened(self.input_ids, start), opened(self.labels, IGNORE)
        return source, TrainingExample(ids, labels, **fields)


def field_values(examples: Sequence[TrainingExample], name: str) -> list[np.ndarray]:
    """The values ``(T, ...)`` of a field of :data:`FILLERS` of each example."""
    fields = [getattr(example, name) for example in examples]
    shape = next((values.shape[1:] for values in fields if values is not None), ())
    return [
        np.full((len(example.labels), *shape), FILLERS[name]) if values is None else values
        for example, values in zip(examples, fields, strict=True)
    ]


class NoExamples:
    """The examples of a task whose targets stand in the examples of another."""

    lengths = np.zeros(0, dtype=np.int64)

    def __len__(self) -> int:
        return 0

    def __getitem__(self, i: int) -> TrainingExample:
        raise IndexError(i)


class TrainingExamples(Protocol):
    """The examples of one task; example ``i`` is the same in any process and order of access."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int) -> TrainingExample: ...

    @property
    def lengths(self) -> np.ndarray:
        """``(len,)`` tokens of each example, exact or estimated, for batching by length."""
        ...
