"""A knowledge file as a tool."""

from __future__ import annotations

from pydantic import Field

from p5rec.core.config import Config
from p5rec.data.knowledge import Knowledge

from .tool import Rows, Tool


class FactArguments(Config):
    """The arguments of ``look_up_fact``."""

    query: str = Field(min_length=1, max_length=1_000)
    """A question, or words of the fact."""
    k: int = Field(1, ge=1, le=20)
    """Most facts of the answer."""


def look_up_fact(knowledge: Knowledge) -> Tool:
    """The tool ``look_up_fact``: rows ``fact``, ``score``.

    Prompts with the field ``fact`` show what it finds for the item's title.
    """

    def run(arguments: FactArguments) -> Rows:
        found = knowledge.best(arguments.query, arguments.k)
        return [{"fact": fact, "score": round(score, 4)} for fact, score in found]

    return Tool("look_up_fact", "Looks a fact up in a knowledge file.", FactArguments, run)
