"""Reads and validates one prompt file; every error names its line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from p5rec.core.config import Config, Lines, Tree, bind, read_yaml
from p5rec.core.errors import UserError, did_you_mean
from p5rec.tasks.base import Task
from p5rec.tasks.fields import FIELDS
from p5rec.tasks.registry import TASKS

from .template import (
    EXAMPLES,
    SHOT_SLOTS,
    FamilyHead,
    FamilySpec,
    TemplateSpec,
    names,
)

C = TypeVar("C", bound=Config)
Where = Callable[..., str]  # key path → "file:line" of the nearest key on it


def read_family(path: Path) -> tuple[FamilySpec, Where]:
    """Returns the family in a prompt file and a lookup of the line of each key.

    An unchanged file is parsed once.

    Raises:
        UserError: one line per error in the file.
    """
    try:
        text = path.read_bytes()
    except OSError:
        text = b""  # the read in `_read` raises the error with its reason
    return _read(path, text)


@lru_cache(maxsize=256)
def _read(path: Path, text: bytes) -> tuple[FamilySpec, Where]:
    """See :func:`read_family`; ``text`` is the content of the file."""
    try:
        tree, lines = read_yaml(path)
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise UserError(f"{path}: expected valid YAML, got {problem}; fix that character") from None
    return check_family(tree, lines, path)


def check_family(tree: Tree, lines: Lines, source: str | Path) -> tuple[FamilySpec, Where]:
    """Validates ``tree`` as a family (see :func:`read_family`); ``lines`` may be empty."""

    def where(*at: str | int) -> str:
        known = (lines[at[:n]] for n in range(len(at), -1, -1) if at[:n] in lines)
        return next(known, str(source))

    errors: list[str] = []
    entries = tree.get("templates")
    if not isinstance(entries, list | tuple) or not entries:
        errors.append(
            f"{where('templates')}: expected `templates:`, a list of at least one template, "
            f"got {str(entries)[:40]!r}; add one"
        )
        entries = []
    head = {key: value for key, value in tree.items() if key != "templates"}
    family = _bind(FamilyHead, head, lines, (), source, errors)
    errors += _field_errors(tree, where)
    fields, task = _mapping(tree.get("fields")), tree.get("task")
    specs: list[TemplateSpec] = []
    text_errors: list[str] = []
    used: set[str] = set()
    slugs: dict[str, str] = {}
    for i, entry in enumerate(entries):
        spec = _bind(TemplateSpec, entry, lines, ("templates", i), source, errors)
        specs += [spec] if spec else []
        raw = _mapping(entry)
        slug = str(raw.get("id"))
        if "id" in raw and slug in slugs:
            errors.append(
                f"{where('templates', i, 'id')}: expected an id of its own, got {slug!r} again "
                f"(first at {slugs[slug]}); rename one"
            )
        slugs.setdefault(slug, where("templates", i, "id"))
        text_errors += _text_errors(raw, fields, task, i, where, used)
    errors += text_errors
    # a field may look unused because a text is malformed: checked in well-formed files alone
    if len(specs) == len(entries) and not text_errors:
        errors += [
            f"{where('fields', name)}: expected every declared field to be used, got {name!r} "
            "unused; remove it or use it"
            for name in fields
            if name not in used
        ]
    shot = _mapping(tree.get("few_shot"))
    errors += _slot_errors(shot.get("example"), SHOT_SLOTS, where("few_shot", "example"), None)
    if errors or family is None:
        raise UserError(*errors)
    return FamilySpec(**family.dump(), templates=tuple(specs)), where


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _bind(
    schema: type[C], tree: object, lines: Lines, at: tuple[str | int, ...], source: str | Path,
    errors: list[str],
) -> C | None:  # fmt: skip
    """``tree`` as a ``schema``, or None after appending its errors to ``errors``."""
    inner = {key[len(at) :]: line for key, line in lines.items() if key[: len(at)] == at}
    if not isinstance(tree, dict):
        location = inner.get((), str(source))
        errors.append(
            f"{location}: expected a mapping, got {str(tree)[:40]!r}; write `key: value` lines"
        )
        return None
    try:
        return bind(schema, tree, inner, source)
    except UserError as error:
        errors += error.lines
        return None


def _field_errors(tree: Tree, where: Where) -> Iterator[str]:
    """Errors in ``task``, ``target_type`` and ``fields``, checked against the task."""
    name = tree.get("task")
    if not isinstance(name, str):
        return
    prompted = [each for each in TASKS if TASKS.get(each).source_fields]
    if name not in prompted:
        hint = did_you_mean(name, prompted)
        yield f"{where('task')}: expected a known task, got {name!r}; {hint}"
        return
    task: Task = TASKS.get(name)
    if "target_type" in tree and tree["target_type"] != task.target_type:
        yield (
            f"{where('target_type')}: expected {task.target_type!r}, as task {name!r} has it, "
            f"got {tree['target_type']!r}; change it"
        )
    known = (*task.source_fields, *task.target_fields)
    for field, kind in _mapping(tree.get("fields")).items():
        if field not in known:
            hint = did_you_mean(str(field), known)
            yield (
                f"{where('fields', field)}: expected a field of task {name!r}, "
                f"got {field!r}; {hint}"
            )
        elif kind != FIELDS[field].kind:
            yield (
                f"{where('fields', field)}: expected kind {FIELDS[field].kind!r} for {field!r}, "
                f"got {kind!r}; change it"
            )


def _text_errors(
    entry: Mapping[str, Any],
    fields: Mapping[str, Any],
    task: object,
    i: int,
    where: Where,
    used: set[str],
) -> Iterator[str]:
    """Errors in the texts of one template; adds the fields they use to ``used``."""
    known: Task | None = TASKS.get(task) if isinstance(task, str) and task in TASKS else None
    source_fields = [f for f in fields if known is None or f in known.source_fields]
    target_fields = [f for f in fields if known is None or f in known.target_fields]
    sides = {"system": source_fields, "source": [*source_fields, EXAMPLES], "target": target_fields}
    for side, allowed in sides.items():
        text, location = entry.get(side), where("templates", i, side)
        yield from _slot_errors(text, allowed, location, fields)
        slots = _names(text)
        used |= slots
        if side == "source" and isinstance(text, str):
            yield from _examples_errors(text, location, after_history=entry.get("after_history"))
        if side == "target" and isinstance(text, str) and not slots:
            fields_left = ", ".join(target_fields)
            yield f"{location}: expected a field in the target, got none; use one of {fields_left}"
    shot = _mapping(entry.get("few_shot"))
    location = where("templates", i, "few_shot", "example")
    yield from _slot_errors(shot.get("example"), SHOT_SLOTS, location, None)


def _examples_errors(text: str, location: str, *, after_history: object) -> Iterator[str]:
    """The error of a source whose slot of worked examples is missing, repeated or has no use."""
    slot = f"{{{EXAMPLES}}}"
    times = text.count(slot)
    if after_history is True and times:
        yield f"{location}: expected no slot {slot} with after_history, got one; take it out"
    elif after_history is not True and times != 1:
        yield (
            f"{location}: expected the slot {slot} once, got it {times} times; put it where worked "
            "examples belong"
        )


def _names(text: object) -> frozenset[str]:
    try:
        return names(text) if isinstance(text, str) else frozenset()
    except ValueError:
        return frozenset()


def _slot_errors(
    text: object, allowed: Any, location: str, fields: Mapping[str, Any] | None
) -> Iterator[str]:
    """Errors for slots of ``text`` that are malformed or not ``allowed``.

    Args:
        text: a template text.
        allowed: field names that this text may use.
        location: ``file:line`` of the text.
        fields: the declared fields; None in the layout of worked examples.
    """
    if not isinstance(text, str):
        return
    try:
        slots = names(text)
    except ValueError as error:
        yield f"{location}: expected plain {{name}} slots, got {error}; fix the text"
        return
    for name in sorted(slots - set(allowed)):
        if fields is not None and name in fields:
            why = "a field of the other side: sources use source fields, targets use target fields"
            yield f"{location}: expected one of {sorted(allowed)}, got {name!r}, {why}; move it"
        else:
            hint = did_you_mean(name, allowed)
            yield f"{location}: expected a declared field, got {name!r}; {hint} or declare it"
