"""The schema of a prompt file, and the frozen template it turns into.

A text holds plain ``{name}`` slots and nothing else: no attribute, index, format spec or
conversion. Literal braces are doubled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from string import Formatter
from typing import Annotated

from pydantic import Field, StringConstraints

from p5rec.core.artefacts import digest
from p5rec.core.config import Config
from p5rec.tasks.fields import CODED, Answer, Kind

UNSEEN = ", unseen wording"  # of a task that is asked in templates held out of training
EXAMPLES = "examples"  # the slot that worked examples fill
SHOT_SLOTS = frozenset({"source", "target"})  # the slots of a worked example's layout
NAME = re.compile(r"[a-z][a-z0-9_]*")

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", strict=True)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, strict=True)]
Layout = Annotated[str, StringConstraints(strict=True)]


class FewShot(Config):
    """How worked examples fill the slot ``{examples}``; without any, the slot is empty."""

    example: Layout
    """Layout of one worked example, over the slots ``{source}`` and ``{target}``."""
    join: Layout = "\n\n"
    """Text between two examples."""
    end: Layout = "\n\n"
    """Text after the last example."""


class TemplateSpec(Config):
    """One wording, as written in YAML."""

    id: Slug
    """Slug, unique in its family."""
    version: Annotated[int, Field(strict=True, ge=1)]
    """Version. Raise it with every change of the text; the lock file checks it."""
    unseen: Annotated[bool, Field(strict=True)] = False
    """Hold this template out of training, to measure unseen templates."""
    system: Layout = ""
    """System message; empty: none."""
    source: Text
    """Text of the prompt; holds ``{examples}`` once."""
    target: Text
    """Text of the expected answer."""
    few_shot: FewShot | None = None
    """Layout of worked examples in place of the family's."""


class FamilyHead(Config):
    """What the wordings of a family share."""

    family: Slug
    """Name of the family, a slug."""
    task: Slug
    """Task whose records the templates render."""
    description: Text
    """One sentence for the reader."""
    answer: Answer
    """Type of the answer."""
    fields: dict[str, Kind]
    """Field → its type, for every field that the templates use."""
    few_shot: FewShot
    """Layout of worked examples."""


class FamilySpec(FamilyHead):
    """A whole prompt file."""

    templates: tuple[TemplateSpec, ...]
    """Prompt templates of the family."""


@dataclass(frozen=True)
class Template:
    """One wording with everything it needs (see :class:`TemplateSpec`, :class:`FamilyHead`)."""

    family: str
    task: str
    answer: Answer
    slug: str
    version: int
    unseen: bool
    system: str
    source: str
    target: str
    few_shot: FewShot

    @property
    def id(self) -> str:
        """``<family>.<slug>``."""
        return f"{self.family}.{self.slug}"

    @property
    def full_id(self) -> str:
        """``<family>.<slug>.v<version>``: names one text for ever."""
        return f"{self.id}.v{self.version}"

    @property
    def given(self) -> frozenset[str]:
        """Fields the source and the system message use."""
        return (names(self.source) | names(self.system)) - {EXAMPLES}

    @property
    def fields(self) -> frozenset[str]:
        """Fields it uses anywhere."""
        return self.given | names(self.target)

    @property
    def names_codes(self) -> bool:
        """Whether any text of it holds an item's semantic id."""
        return any(name in CODED for name in self.fields)

    @property
    def hash(self) -> str:
        """Hash of everything that reaches the model."""
        shot = self.few_shot
        return digest(
            [self.answer, self.system, self.source, self.target, shot.example, shot.join, shot.end]
        )


def resolve(family: FamilyHead, spec: TemplateSpec) -> Template:
    """The template behind one entry of a prompt file."""
    return Template(
        family=family.family,
        task=family.task,
        answer=family.answer,
        slug=spec.id,
        version=spec.version,
        unseen=spec.unseen,
        system=spec.system.strip(),
        source=spec.source,
        target=spec.target,
        few_shot=spec.few_shot or family.few_shot,
    )


@cache
def slots(text: str) -> tuple[tuple[str, str | None], ...]:
    """``text`` as pairs of literal text and the slot that follows it, None where none does.

    Raises:
        ValueError: a brace stands alone, or a slot is more than a plain name.
    """
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{error}; double a literal brace") from None
    for _, name, spec, conversion in parts:
        if name is not None and (spec or conversion or not NAME.fullmatch(name)):
            tail = (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            raise ValueError(f"a slot must be a plain {{name}}, got {{{name}{tail}}}")
    return tuple((literal, name) for literal, name, _, _ in parts)


def names(text: str) -> frozenset[str]:
    """The slots of ``text``."""
    return frozenset(name for _, name in slots(text) if name is not None)


def fill(text: str, words: dict[str, str]) -> str:
    """``text`` with each slot replaced by its words, which are taken literally."""
    return "".join(
        literal + (words[name] if name is not None else "") for literal, name in slots(text)
    )
