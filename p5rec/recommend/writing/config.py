"""The ``texts`` section of a recipe, and its check without the data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from p5rec.core.config import Config, bind, read_yaml
from p5rec.core.errors import UserError, all_of, did_you_mean, input_error
from p5rec.data.files import existing
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.template import FamilySpec
from p5rec.tasks.base import Task
from p5rec.tasks.record_builder import Limits
from p5rec.tasks.registry import TASKS

from .port import Of
from .registry import AnyGenerator


class FactorsFile(Config):
    """A file with the factors of a scenario."""

    factors: tuple[str, ...]
    """The factors."""


class TextPromptsConfig(Config):
    """How the prompts of texts are rendered."""

    folders: tuple[str, ...] = ()
    """Folders of further prompt files, besides the shipped ones."""
    max_history: Annotated[int, Field(ge=1)] = 30
    """Most items of a user in a prompt; the most recent ones are shown."""
    max_words: Annotated[int, Field(ge=1)] = 100
    """Most words of an attribute text."""
    factors: tuple[str, ...] | str = ()
    """Aspects that matter in the scenario, for templates with the field ``factors``; or the path of
    a YAML file with the key ``factors``.
    """

    notes: str | None = None
    """Name of the recipe's texts about users that templates with the field ``notes`` show."""

    def read_factors(self) -> tuple[str, ...]:
        """The factors.

        Raises:
            UserError: the file is missing or has another form.
        """
        if not isinstance(self.factors, str):
            return self.factors
        path = Path(self.factors)
        return bind(FactorsFile, read_yaml(path)[0], {}, path).factors

    @property
    def limits(self) -> Limits:
        """The limits of a record builder."""
        return Limits(max_history=self.max_history, max_words=self.max_words)

    def library(self) -> PromptLibrary:
        """The shipped prompt families and those of the folders.

        Raises:
            UserError: one line per error in a file.
        """
        return PromptLibrary.load(extra=map(Path, self.folders))


class TextsConfig(Config):
    """Texts about all items or all users."""

    of: Of
    """What the texts are about."""
    family: str | None = None
    """Prompt family of an open-ended task over one item or one user. null: the generator reads no
    prompts.
    """
    template: str | None = None
    """Prompt template of the family. null: the first training template that the data can fill."""
    generator: AnyGenerator
    """Where the texts come from."""
    prompts: TextPromptsConfig = TextPromptsConfig()
    """How the prompts are rendered."""
    sample: Annotated[int, Field(ge=1)] | None = None
    """Write texts about this many items or users, drawn at random. null: about all."""
    seed: int = 0
    """Seed of the sample and of the order of liked items in prompts."""

    @model_validator(mode="after")
    def _asks_what_it_reads(self) -> TextsConfig:
        if self.prompts.notes is not None and self.of != "users":
            raise ValueError("prompts.notes: texts about users have some; leave it out")
        if self.generator.prompted and self.family is None:
            raise ValueError(f"expected a prompt family for the generator {self.generator.kind}")
        if not self.generator.prompted and (self.family or self.template):
            kind = self.generator.kind
            raise ValueError(
                f"the generator {kind} reads no prompts: leave family and template out"
            )
        return self

    def open_family(self) -> tuple[FamilySpec, Task, PromptLibrary]:
        """The prompt family, its task and its library.

        Raises:
            UserError: the family or the template is unknown, or about something else.
        """
        library = self.prompts.library()
        spec = library.family(str(self.family))
        task: Task = TASKS.get(spec.task)
        if not task.open_ended or task.of != self.of:
            known = [name for name in library.families() if _fits(library, name, self.of)]
            raise input_error(
                "family", f"a prompt family that describes one of the {self.of}",
                f"{spec.family!r} of task {spec.task}", f"known: {', '.join(known)}",
            )  # fmt: skip
        if self.template is not None and library.get(self.template).family != spec.family:
            raise input_error(
                "template", f"a template of {spec.family}", repr(self.template),
                f"p5rec prompts list --family {spec.family} names them",
            )  # fmt: skip
        return spec, task, library


def with_notes(name: str, texts: Mapping[str, TextsConfig]) -> list[str]:
    """The names of the texts that the section ``name`` reads, directly or not, and its own, last.

    Raises:
        UserError: texts are unknown, about items, or read themselves.
    """
    names, key = [name], f"texts.{name}.prompts.notes"
    while (notes := texts[names[0]].prompts.notes) is not None:
        if notes not in texts:
            raise input_error(key, "the name of texts", repr(notes), did_you_mean(notes, texts))
        if notes in names or texts[notes].of != "users":
            got = "texts that read themselves" if notes in names else "texts about items"
            raise input_error(key, "other texts about users", f"{notes}, {got}", "name others")
        names.insert(0, notes)
    return names


def check_texts(texts: Mapping[str, TextsConfig]) -> None:
    """Checks the sections by name, without the data.

    Raises:
        UserError: a line for each error.
    """

    def check(name: str, config: TextsConfig) -> None:
        try:
            all_of(
                *(partial(existing, file) for file in config.generator.files),
                *([config.open_family] if config.generator.prompted else []),
                config.prompts.read_factors,
            )
        except UserError as error:
            raise UserError(*(f"texts.{name}: {line}" for line in error.lines)) from None

    all_of(
        *(partial(check, name, config) for name, config in texts.items()),
        *(partial(with_notes, name, texts) for name in texts),
    )


def _fits(library: PromptLibrary, family: str, of: Of) -> bool:
    task: Task = TASKS.get(library.family(family).task)
    return task.open_ended and task.of == of
