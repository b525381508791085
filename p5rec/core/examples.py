"""Records of text to text: what a model reads and what it should answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


class Less(Protocol):
    """A question that can be made to show less.

    Attributes:
        steps: how many times.
    """

    @property
    def steps(self) -> int: ...

    def __call__(self, step: int) -> Example:
        """The question after ``step`` steps, from 1 on, each of which leaves a little more out."""
        ...


@dataclass(frozen=True)
class Example:
    """One text-to-text training or evaluation record.

    Attributes:
        source: what the model reads.
        target: what it should answer.
        task: the task family, e.g. ``rating``.
        prompt_id: template and version, e.g. ``rating.direct.v1``.
        rating: the number behind a rating task, on the data's scale; None elsewhere.
        user, item, event: rows this example is about, -1 where none.
        system: the system message, where the template has one.
        less: the same question showing less, for a model that cannot read all of it; None: it is
            this one or nothing.
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
    less: Less | None = field(default=None, compare=False, repr=False)
