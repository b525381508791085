"""The schema of a prompt file, and the immutable template built from it.

Texts use plain ``{name}`` slots, without attributes, indices, format specs or conversions. A
literal brace is doubled.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from string import Formatter
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from p5rec.core.artefacts import digest
from p5rec.core.config import Config
from p5rec.tasks.fields import CODED, Kind, TargetType

from .answer import AnswerForm

HELD_OUT = ", held-out template"  # suffix of a task evaluated on held-out templates
EXAMPLES = "examples"  # the slot of worked examples
SHOT_SLOTS = frozenset({"source", "target"})  # the slots of a worked example's layout
NAME = re.compile(r"[a-z][a-z0-9_]*")

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", strict=True)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, strict=True)]
Layout = Annotated[str, StringConstraints(strict=True)]


class FewShot(Config):
    """The layout of worked examples in the slot ``{examples}``; without examples it is empty."""

    example: Layout
    """Layout of one worked example, over the slots ``{source}`` and ``{target}``."""
    join: Layout = "\n\n"
    """Text between two examples."""
    end: Layout = "\n\n"
    """Text after the last example."""


class TemplateSpec(Config):
    """One prompt template as written in YAML."""

    id: Slug
    """Slug, unique in its family."""
    version: Annotated[int, Field(strict=True, ge=1)]
    """Version. Raise it with every change of the text; the lock file checks it."""
    held_out: Annotated[bool, Field(strict=True)] = False
    """Hold this template out of training, to evaluate on new templates."""
    after_history: Annotated[bool, Field(strict=True)] = False
    """The text follows the user's history, which the model reads as a sequence of events. Such
    templates have no worked examples, and serve ``train.shared_history`` alone.
    """
    system: Layout = ""
    """System message; empty: none."""
    source: Text
    """Text of the prompt; holds ``{examples}`` once, or never with ``after_history``."""
    target: Text
    """Target text."""
    few_shot: FewShot | None = None
    """Layout of worked examples in place of the family's."""


class FamilyHead(Config):
    """The settings that all templates of a family share."""

    family: Slug
    """Name of the family, a slug."""
    task: Slug
    """Task whose records the templates render."""
    description: Text
    """One sentence for the reader."""
    target_type: TargetType
    """Type of the target."""
    fields: dict[str, Kind]
    """Field → its type, for every field that the templates use."""
    few_shot: FewShot
    """Layout of worked examples."""
    answer: AnswerForm | None = None
    """Form of the answers of a family of texts; generated texts follow it. null: any text."""

    @model_validator(mode="after")
    def _form_of_texts(self) -> FamilyHead:
        if self.answer is not None and self.target_type != "text":
            raise ValueError(f"answer: expected target_type text, got {self.target_type}")
        return self


class FamilySpec(FamilyHead):
    """The contents of a prompt file."""

    templates: tuple[TemplateSpec, ...]
    """Prompt templates of the family."""

    def only(self, *, after_history: bool) -> FamilySpec:
        """The family with those templates alone that follow a history, or those that do not."""
        return self._with([t for t in self.templates if t.after_history == after_history])

    def named(self, ids: Collection[str]) -> FamilySpec:
        """The family with those training templates alone that have one of ``ids``; with all if none
        has."""
        wanted = [t for t in self.templates if f"{self.family}.{t.id}" in ids]
        if not wanted:
            return self
        return self._with([t for t in self.templates if t.held_out or t in wanted])

    def _with(self, templates: Sequence[TemplateSpec]) -> FamilySpec:
        texts = [text for t in templates for text in (t.system, t.source, t.target)]
        used = frozenset[str]().union(*map(names, texts))
        fields = {name: kind for name, kind in self.fields.items() if name in used}
        return self.model_copy(update={"templates": tuple(templates), "fields": fields})


@dataclass(frozen=True)
class Template:
    """A prompt template with its family's settings (:class:`TemplateSpec`, :class:`FamilyHead`)."""

    family: str
    task: str
    target_type: TargetType
    slug: str
    version: int
    held_out: bool
    system: str
    source: str
    target: str
    few_shot: FewShot
    answer: AnswerForm | None = None
    after_history: bool = False

    @property
    def id(self) -> str:
        """``<family>.<slug>``."""
        return f"{self.family}.{self.slug}"

    @property
    def full_id(self) -> str:
        """``<family>.<slug>.v<version>``: the permanent id of one text."""
        return f"{self.id}.v{self.version}"

    @property
    def source_fields(self) -> frozenset[str]:
        """Fields used in the source and the system message."""
        return (names(self.source) | names(self.system)) - {EXAMPLES}

    @property
    def fields(self) -> frozenset[str]:
        """All fields used in the template."""
        return self.source_fields | names(self.target)

    @property
    def names_codes(self) -> bool:
        """Whether the prompt contains semantic ids."""
        return self.after_history or any(name in CODED for name in self.fields)

    @property
    def hash(self) -> str:
        """Hash of all texts that reach the model, and of the form of its answers."""
        shot = self.few_shot
        return digest(
            [
                self.target_type,
                self.system,
                self.source,
                self.target,
                shot.example,
                shot.join,
                shot.end,
                *([] if self.answer is None else [self.answer.dump()]),
                *(["after history"] if self.after_history else []),
            ]
        )


def resolve(family: FamilyHead, spec: TemplateSpec) -> Template:
    """The template of one entry of a prompt file."""
    return Template(
        family=family.family,
        task=family.task,
        target_type=family.target_type,
        slug=spec.id,
        version=spec.version,
        held_out=spec.held_out,
        system=spec.system.strip(),
        source=spec.source,
        target=spec.target,
        few_shot=spec.few_shot or family.few_shot,
        answer=family.answer,
        after_history=spec.after_history,
    )


@cache
def slots(text: str) -> tuple[tuple[str, str | None], ...]:
    """``text`` as pairs of literal text and the slot after it; None at the end.

    Raises:
        ValueError: a single brace, or a slot that is no plain name.
    """
    try:
        pieces = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{error}; double a literal brace") from None
    for _, name, spec, conversion in pieces:
        if name is not None and (spec or conversion or not NAME.fullmatch(name)):
            tail = (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            raise ValueError(f"a slot must be a plain {{name}}, got {{{name}{tail}}}")
    return tuple((literal, name) for literal, name, _, _ in pieces)


def names(text: str) -> frozenset[str]:
    """The slots of ``text``."""
    return frozenset(name for _, name in slots(text) if name is not None)


def fill(text: str, words: dict[str, str]) -> str:
    """Replaces each slot of ``text`` with its words, taken literally."""
    return "".join(
        literal + (words[name] if name is not None else "") for literal, name in slots(text)
    )
