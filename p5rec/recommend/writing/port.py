"""The port of text generation: requests about entities in, answers out.

A kind of generator is a class on :class:`GeneratorConfig` with a ``kind`` and settings of its own,
in one file, and an entry in :mod:`.registry`. It opens a :class:`Writer`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from p5rec.core.code import Work
from p5rec.core.config import Config
from p5rec.core.examples import Example
from p5rec.core.types import Catalog
from p5rec.prompting.answer import AnswerForm
from p5rec.tasks.literal import Literal as Escape

Of = Literal["items", "users"]


@dataclass(frozen=True)
class Request:
    """A text to write.

    Attributes:
        id: the external id of the item or user.
        prompt: the prompt; None for a generator that reads none.
    """

    id: str
    prompt: Example | None


@dataclass(frozen=True)
class Answer:
    """A written text and its cost.

    Attributes:
        text: None: there is none.
        prompt_tokens, new_tokens: None: not counted.
        seconds: time of generation.
    """

    text: str | None = None
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Assignment:
    """What a generator is opened for.

    Attributes:
        of: ``items`` or ``users``.
        ids: all external ids of these entities.
        catalog: the items.
        form: the form of the answers; None: any text.
        seed: of the section.
    """

    of: Of
    ids: Sequence[str]
    catalog: Catalog
    form: AnswerForm | None = None
    seed: int = 0


class Writer(Protocol):
    """An opened generator."""

    @property
    def escape(self) -> Escape:
        """Removes control tokens of the model from data in prompts."""
        ...

    @property
    def facts(self) -> Mapping[str, int]:
        """Counts for the manifest of the texts."""
        ...

    def write(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers to B requests, in their order."""
        ...


class GeneratorConfig(Config):
    """Where texts come from.

    Attributes:
        prompted: it reads prompts.
    """

    prompted: ClassVar[bool] = True

    kind: str
    """Kind of generator."""

    def open(self, assignment: Assignment) -> Writer:
        """The generator, ready to write.

        Raises:
            UserError: a model, a file or a key is missing or unusable.
        """
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """The settings that affect the texts, as plain data."""
        return self.dump()

    def reads(self) -> dict[str, str]:
        """Hashes of the user's files that it reads, by name."""
        return {}

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that must exist before a run starts."""
        return ()

    @property
    def code(self) -> tuple[Work, ...]:
        """The registry targets that it looks up."""
        return ()
