"""Factors of a scenario, asked of the model that writes the texts (KAR, arXiv:2306.10933)."""

from __future__ import annotations

import re

import pyarrow as pa

from p5rec.core.errors import input_error
from p5rec.core.examples import Example
from p5rec.core.types import Catalog

from .port import Assignment, GeneratorConfig, Of, Request

QUESTION = (
    "List the important factors or features that determine whether a user will be interested in "
    "{scenario}."
)
ENTRY = re.compile(r"\s*(?:\d+[.)]|[-*•])\s+(.+)")  # a line of a numbered or bulleted list
END = re.compile(r"[:.,;(]|\s[-–—]\s")  # of a factor's name in its line
WORDS = 4  # most words of a name


def ask_factors(generator: GeneratorConfig, of: Of, scenario: str) -> tuple[str, ...]:
    """The factors that the model names.

    Args:
        generator: of the texts.
        of: what the texts are about.
        scenario: what is recommended, with its article: ``a movie``.

    Raises:
        UserError: the generator reads no prompts, cannot be opened or fails, or its answer has no
            list of factors.
    """
    if not generator.prompted:
        todo = "name texts of a language model"
        raise input_error("generator", "one that reads prompts", generator.kind, todo)
    nothing = Catalog(pa.table({name: pa.array([], pa.string()) for name in ("item", "title")}))
    writer = generator.open(Assignment(of, (), nothing))
    question = QUESTION.format(scenario=writer.escape(scenario))
    (answer,) = writer.write([Request("", Example(question, "", "factors", "factors"))])
    if not (factors := factors_in(answer.text or "")):
        todo = "take a larger model or a larger max_new_tokens, or write the file yourself"
        raise input_error("the model", "a list of factors", repr(answer.text), todo)
    return factors


def factors_in(text: str) -> tuple[str, ...]:
    """The names of the entries of the list in ``text``, in lower case, each once.

    Longer entries than :data:`WORDS` words are sentences and no names.
    """
    entries = (found[1] for line in text.splitlines() if (found := ENTRY.fullmatch(line)))
    names = (END.split(entry.replace("*", ""))[0].strip().lower() for entry in entries)
    return tuple(dict.fromkeys(name for name in names if 0 < len(name.split()) <= WORDS))
