"""Reading one prompt file with every one of its faults, each at its line."""

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
    """The family in a prompt file, and where each of its keys stands.

    A file that stayed as it was is read once.

    Raises:
        UserError: one line a fault, all of them.
    """
    try:
        text = path.read_bytes()
    except OSError:
        text = b""  # reading it again says what is wrong
    return _read(path, text)


@lru_cache(maxsize=256)
def _read(path: Path, text: bytes) -> tuple[FamilySpec, Where]:
    """See :func:`read_family`; ``text`` is what the file holds."""
    try:
        tree, lines = read_yaml(path)
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise UserError(
            f"{path}: expected valid YAML, got {problem}; mend that character"
        ) from None
    return check_family(tree, lines, path)


def check_family(tree: Tree, lines: Lines, source: str | Path) -> tuple[FamilySpec, Where]:
    """``tree`` as a family (see :func:`read_family`); ``lines`` may be empty."""

    def where(*at: str | int) -> str:
        found = (lines[at[:n]] for n in range(len(at), -1, -1) if at[:n] in lines)
        return next(found, str(source))

    faults: list[str] = []
    entries = tree.get("templates")
    if not isinstance(entries, list | tuple) or not entries:
        faults.append(
            f"{where('templates')}: expected `templates:`, a list of at least one wording, "
            f"got {str(entries)[:40]!r}; add one"
        )
        entries = []
    head = {key: value for key, value in tree.items() if key != "templates"}
    family = _bind(FamilyHead, head, lines, (), source, faults)
    faults += _fields_faults(tree, where)
    fields, task = _mapping(tree.get("fields")), tree.get("task")
    specs: list[TemplateSpec] = []
    misread: list[str] = []
    used: set[str] = set()
    slugs: dict[str, str] = {}
    for i, entry in enumerate(entries):
        spec = _bind(TemplateSpec, entry, lines, ("templates", i), source, faults)
        specs += [spec] if spec else []
        raw = _mapping(entry)
        slug = str(raw.get("id"))
        if "id" in raw and slug in slugs:
            faults.append(
                f"{where('templates', i, 'id')}: expected an id of its own, got {slug!r} again "
                f"(first at {slugs[slug]}); rename one"
            )
        slugs.setdefault(slug, where("templates", i, "id"))
        misread += _text_faults(raw, fields, task, i, where, used)
    faults += misread
    # a misread text may be why a field looks unused, so this is told only when it is sure
    if len(specs) == len(entries) and not misread:
        faults += [
            f"{where('fields', name)}: expected every declared field to be used, got {name!r} "
            "unused; remove it or use it"
            for name in fields
            if name not in used
        ]
    shot = _mapping(tree.get("few_shot"))
    faults += _slot_faults(shot.get("example"), SHOT_SLOTS, where("few_shot", "example"), None)
    if faults or family is None:
        raise UserError(*faults)
    return FamilySpec(**family.dump(), templates=tuple(specs)), where


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _bind(
    schema: type[C], tree: object, lines: Lines, at: tuple[str | int, ...], source: str | Path,
    faults: list[str],
) -> C | None:  # fmt: skip
    """``tree`` as a ``schema``, or None with the faults noted."""
    inner = {key[len(at) :]: line for key, line in lines.items() if key[: len(at)] == at}
    if not isinstance(tree, dict):
        place = inner.get((), str(source))
        faults.append(
            f"{place}: expected a mapping, got {str(tree)[:40]!r}; write `key: value` lines"
        )
        return None
    try:
        return bind(schema, tree, inner, source)
    except UserError as error:
        faults += error.lines
        return None


def _fields_faults(tree: Tree, where: Where) -> Iterator[str]:
    """Faults of ``task``, ``answer`` and ``fields`` against what the task offers."""
    name = tree.get("task")
    if not isinstance(name, str):
        return
    worded = [each for each in TASKS if TASKS.get(each).given]
    if name not in worded:
        hint = did_you_mean(name, worded)
        yield f"{where('task')}: expected a known task, got {name!r}; {hint}"
        return
    task: Task = TASKS.get(name)
    if "answer" in tree and tree["answer"] != task.answer:
        yield (
            f"{where('answer')}: expected {task.answer!r}, the answer of task {name!r}, "
            f"got {tree['answer']!r}; change it"
        )
    offered = (*task.given, *task.answers)
    for field, kind in _mapping(tree.get("fields")).items():
        if field not in offered:
            hint = did_you_mean(str(field), offered)
            yield (
                f"{where('fields', field)}: expected a field that task {name!r} offers, "
                f"got {field!r}; {hint}"
            )
        elif kind != FIELDS[field].kind:
            yield (
                f"{where('fields', field)}: expected kind {FIELDS[field].kind!r} for {field!r}, "
                f"got {kind!r}; change it"
            )


def _text_faults(
    entry: Mapping[str, Any],
    fields: Mapping[str, Any],
    task: object,
    i: int,
    where: Where,
    used: set[str],
) -> Iterator[str]:
    """Faults of one wording's texts; notes the fields they use."""
    known: Task | None = TASKS.get(task) if isinstance(task, str) and task in TASKS else None
    given = [f for f in fields if known is None or f in known.given]
    answers = [f for f in fields if known is None or f in known.answers]
    sides = {"system": given, "source": [*given, EXAMPLES], "target": answers}
    for side, allowed in sides.items():
        text, place = entry.get(side), where("templates", i, side)
        yield from _slot_faults(text, allowed, place, fields)
        found = _names(text)
        used |= found
        if side == "source" and isinstance(text, str) and text.count(f"{{{EXAMPLES}}}") != 1:
            yield (
                f"{place}: expected the slot {{{EXAMPLES}}} once, got it "
                f"{text.count(f'{{{EXAMPLES}}}')} times; put it where worked examples belong"
            )
        if side == "target" and isinstance(text, str) and not found:
            yield f"{place}: expected a field in the target, got none; use one of {answers}"
    shot = _mapping(entry.get("few_shot"))
    place = where("templates", i, "few_shot", "example")
    yield from _slot_faults(shot.get("example"), SHOT_SLOTS, place, None)


def _names(text: object) -> frozenset[str]:
    try:
        return names(text) if isinstance(text, str) else frozenset()
    except ValueError:
        return frozenset()


def _slot_faults(
    text: object, allowed: Any, place: str, fields: Mapping[str, Any] | None
) -> Iterator[str]:
    """Slots of ``text`` that are malformed or not ``allowed``; ``fields`` are those declared."""
    if not isinstance(text, str):
        return
    try:
        found = names(text)
    except ValueError as error:
        yield f"{place}: expected plain {{name}} slots, got {error}; mend the text"
        return
    for name in sorted(found - set(allowed)):
        if fields is not None and name in fields:
            why = "a field of the other side: sources use given fields, targets use answers"
            yield f"{place}: expected one of {sorted(allowed)}, got {name!r}, {why}; move it"
        else:
            hint = did_you_mean(name, allowed)
            yield f"{place}: expected a declared field, got {name!r}; {hint} or declare it"
