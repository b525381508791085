"""The commonest values of an item attribute, the same for everyone: a control of ``choices``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from p5rec.tasks.literal import Literal as Escape
from p5rec.tasks.literal import literal

from .choices import values_of
from .port import Answer, Assignment, GeneratorConfig, Request, Writer


class PopularChoices(GeneratorConfig):
    """The values of an item attribute that most items have, separated by commas. They are the same
    for everyone: a control of ``choices``."""

    prompted: ClassVar[bool] = False

    kind: Literal["popular-choices"] = "popular-choices"
    choices: str
    """The attribute."""
    most: int = Field(3, ge=1)
    """Values in an answer."""

    def open(self, assignment: Assignment) -> Writer:
        """See :class:`.port.GeneratorConfig`."""
        return PopularWriter(values_of(assignment.catalog, self.choices)[: self.most])


class PopularWriter:
    """Answers with ``values``."""

    escape: Escape = literal
    facts: Mapping[str, int] = {}

    def __init__(self, values: Sequence[str]) -> None:
        self.text = ", ".join(values)

    def write(self, requests: Sequence[Request]) -> list[Answer]:
        """See :class:`.port.Writer`."""
        return [Answer(self.text) for _ in requests]
