"""The form of a family's answers, where they have one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from p5rec.core.config import Config

MOST_TEXT = 2000  # characters; a grammar grows with the length of its texts
ONE_OF = ("choice", "integer", "text", "list_of", "object")

Choice = Annotated[str, StringConstraints(strict=True, min_length=1)]


class AnswerForm(Config):
    """The form of an answer: exactly one of the keys below. Inside a JSON list or object, choices
    and texts are JSON strings."""

    choice: tuple[Choice, ...] = ()
    """One of these texts."""
    integer: tuple[int, int] | None = None
    """An integer from the first number to the second."""
    text: Annotated[int, Field(ge=1, le=MOST_TEXT)] | None = None
    """One line of at most this many characters."""
    list_of: AnswerForm | None = None
    """A JSON list of entries of this form."""
    most: Annotated[int, Field(ge=1)] = 5
    """Most entries of the list."""
    object: dict[str, AnswerForm] = {}
    """A JSON object with these keys in this order."""

    @model_validator(mode="after")
    def _one_form(self) -> AnswerForm:
        given = [name for name in ONE_OF if getattr(self, name) not in ((), {}, None)]
        if len(given) != 1:
            raise ValueError(f"expected exactly one of {', '.join(ONE_OF)}, got {given or 'none'}")
        if self.integer and not 0 <= self.integer[1] - self.integer[0] < 10_000:
            raise ValueError(f"integer: expected low <= high < low + 10,000, got {self.integer}")
        return self
