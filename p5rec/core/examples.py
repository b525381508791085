"""Text-to-text examples: the source that a model reads and the target that it should generate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

POINT = "<point>"  # stands in a source for a vector; data in prompts cannot contain it


class Shortener(Protocol):
    """Renders an example again with a shorter prompt.

    Attributes:
        steps: the number of times the prompt can be shortened.
    """

    @property
    def steps(self) -> int: ...

    def __call__(self, step: int) -> Example:
        """The example after ``step`` steps (from 1), each of which removes a little more."""
        ...


class Past(NamedTuple):
    """The events of a user before a prompt, oldest first.

    Attributes:
        items: ``(n,)`` item rows.
        ratings: ``(n,)`` float32, NaN where unknown.
    """

    items: np.ndarray
    ratings: np.ndarray


@dataclass(frozen=True)
class Example:
    """One text-to-text training or evaluation record.

    Attributes:
        source: the prompt that the model reads.
        target: the text that it should generate.
        task: the task family, e.g. ``rating``.
        prompt_id: template and version, e.g. ``rating.direct.v1``.
        rating: the rating of a rating task, on the data's scale; None for other tasks.
        user, item, event: row numbers of the subject; -1 for none.
        system: the system message, if the template has one.
        past: the earlier events that the model reads as a sequence before the source; None: the
            source is all it reads.
        points: ``(V, d)`` float32, the vectors that the model reads where :data:`POINT` stands in
            the prompt, in order; None: the prompt is all text.
        shorten: renders the example with a shorter prompt, for a model with a short context; None
            if the prompt cannot be shortened.
    """

    source: str
    target: str
    task: str
    prompt_id: str
    rating: float | None = None
    user: int = -1
    item: int = -1
    event: int = -1
    system: str = ""
    past: Past | None = field(default=None, compare=False, repr=False)
    points: np.ndarray | None = field(default=None, compare=False, repr=False)
    shorten: Shortener | None = field(default=None, compare=False, repr=False)
