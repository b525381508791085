"""Factors of a scenario that a model names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from p5rec.core.errors import UserError
from p5rec.recommend.writing.factors import ask_factors, factors_in
from p5rec.recommend.writing.port import Answer, Assignment, GeneratorConfig, Request
from p5rec.recommend.writing.text_file import TextFile
from p5rec.tasks.literal import literal

LIST = """The factors are:
1. **Genre**: the kind of movie.
2) Plot, plot twists and surprises
- *Mood* - how it feels
* Genre
3. The user has to want to see it
"""


class Says(GeneratorConfig):
    """Answers every question with one text."""

    kind: str = "says"
    text: str

    def open(self, assignment: Assignment) -> SaysWriter:
        return SaysWriter(self.text)


class SaysWriter:
    escape = staticmethod(literal)
    facts: Mapping[str, int] = {}

    def __init__(self, text: str) -> None:
        self.text = text

    def write(self, requests: Sequence[Request]) -> list[Answer]:
        assert [each.prompt and each.prompt.source[-21:] for each in requests] == [
            "interested in a film."
        ]
        return [Answer(self.text)]


def test_entries_of_a_list_are_factors() -> None:
    assert factors_in(LIST) == ("genre", "plot", "mood")
    assert factors_in("Genre, plot and mood.") == ()


def test_a_model_names_the_factors() -> None:
    assert ask_factors(Says(text=LIST), "items", "a film") == ("genre", "plot", "mood")
    with pytest.raises(UserError, match=r"the model: expected a list of factors, got 'Well\.'"):
        ask_factors(Says(text="Well."), "items", "a film")
    with pytest.raises(UserError, match="generator: expected one that reads prompts, got file"):
        ask_factors(TextFile(path="x.csv"), "items", "a film")
