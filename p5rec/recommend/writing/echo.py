"""Prompts as texts: the data in words, without a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from p5rec.tasks.literal import Literal as Escape
from p5rec.tasks.literal import literal

from .port import Answer, Assignment, GeneratorConfig, Request, Writer


class Echo(GeneratorConfig):
    """The prompt itself: the data in the words of a template. It shows what a language model
    adds."""

    kind: Literal["prompt"] = "prompt"

    def open(self, assignment: Assignment) -> Writer:
        """See :class:`.port.GeneratorConfig`."""
        return EchoWriter()


class EchoWriter:
    """Returns prompts."""

    escape: Escape = literal
    facts: Mapping[str, int] = {}

    def write(self, requests: Sequence[Request]) -> list[Answer]:
        """See :class:`.port.Writer`."""
        return [Answer(each.prompt.source if each.prompt else None) for each in requests]
