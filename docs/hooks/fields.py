"""The keys of a config class: meaning, type in words, bounds and default.

A key's meaning is the string below its field. It is read from the source, so it costs nothing when
p5rec runs.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import chain, pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from p5rec.core.config import FileName
from p5rec.core.kinds import Kinds

WORDS = {
    int: "integer", float: "number", str: "string", bool: "`true` or `false`",
    NoneType: "`null`", Any: "any value", dict: "mapping", object: "any value",
}  # fmt: skip
SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
REQUIRED, BELOW = "required", "those below"


@dataclass(frozen=True)
class Key:
    """One key of a section.

    Attributes:
        name: its name in YAML.
        meaning: its meaning, with the unit; empty if its field has no string.
        type: its type in words, with bounds, as Markdown.
        default: its default as Markdown; ``required`` if there is none, ``those below`` for a
            section of defaults.
        models: the config classes of the sections below it.
        kinds: the registry that selects the class of its section; None: there is no choice.
    """

    name: str
    meaning: str
    type: str
    default: str
    models: tuple[type[BaseModel], ...]
    kinds: Kinds | None


def keys_of(model: type[BaseModel]) -> list[Key]:
    """The keys of ``model``, in the order of its fields."""
    return [_key(model, name, info) for name, info in model.model_fields.items()]


def models_below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """``model`` and the config classes of all sections below it, each once."""
    queue, seen = [model], set()
    while queue:
        each = queue.pop(0)
        if each in seen:
            continue
        seen.add(each)
        yield each
        for key in keys_of(each):
            queue += [*key.models, *(key.kinds.members() if key.kinds else ())]


def meanings_of(model: type[BaseModel]) -> dict[str, str]:
    """Field → the string below it, in the class itself or its nearest base class."""
    out: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if cls is not BaseModel and issubclass(cls, BaseModel):
            out |= _field_strings(cls)
    return out


@cache
def _field_strings(cls: type) -> Mapping[str, str]:
    body = _class_body(cls)
    return {
        node.target.id: " ".join(below.value.value.split())
        for node, below in pairwise(body)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }


def _class_body(cls: type) -> list[ast.stmt]:
    module = inspect.getmodule(cls)
    assert module is not None, cls
    for node in _tree(inspect.getsource(module)).body:
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            return node.body
    return []


@cache
def _tree(source: str) -> ast.Module:
    return ast.parse(source)


def _key(model: type[BaseModel], name: str, info: FieldInfo) -> Key:
    kinds = next(_kinds(info.annotation, info.metadata), None)
    return Key(
        name=name,
        meaning=meanings_of(model).get(name, ""),
        type=_in_words(info.annotation, info.metadata),
        default=_default(info),
        models=() if kinds else tuple(_models(info.annotation)),
        kinds=kinds,
    )


def _kinds(annotation: Any, metadata: Sequence[Any] = ()) -> Iterator[Kinds]:
    marks = [*metadata, *getattr(annotation, "__metadata__", ())]
    yield from (each for each in marks if isinstance(each, Kinds))
    for inner in get_args(annotation):
        yield from _kinds(inner)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if any(_kinds(annotation)):
        return
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _in_words(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """An annotation in words, for a reader of YAML."""
    if annotation is FileName:
        return "name"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _in_words(arguments[0], [*annotation.__metadata__, *metadata])
    if origin in (Union, UnionType):
        return _either(arguments, metadata)
    if kinds := next(_kinds(annotation, metadata), None):
        words = "section, by its `kind`" + ", or a method's name" * kinds.named
        return f"mapping of name to {words}" if isinstance(origin, type) else words
    return _plain(annotation, origin, arguments) + _bounds(metadata)


def _plain(annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> str:
    """An annotation that is neither ``Annotated`` nor a union, in words."""
    if origin is Literal:
        return _choice(arguments)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _choice([each.value for each in annotation])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"mapping of {_in_words(arguments[0])} to {_in_words(arguments[1])}"
    if origin is tuple and arguments[-1] is not Ellipsis:
        return f"list of {len(arguments)}: {', '.join(map(_in_words, arguments))}"
    if origin in (list, tuple):
        return f"list of {_in_words(arguments[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    return WORDS[annotation]


def _choice(values: Sequence[Any]) -> str:
    words = [f"`{value}`" for value in values]
    return f"one of {', '.join(words)}" if len(words) > 2 else " or ".join(words)


def _either(members: tuple[Any, ...], metadata: Sequence[Any]) -> str:
    """The members of a union; ``null`` comes last, and bounds belong to the others."""
    real = [_in_words(each, metadata) for each in members if each is not NoneType]
    words = list(dict.fromkeys(real)) + ["`null`"] * (NoneType in members)
    return ", or ".join(words) if any("," in each for each in words) else " or ".join(words)


def _bounds(metadata: Sequence[Any]) -> str:
    inner = [each.metadata if isinstance(each, FieldInfo) else [each] for each in metadata]
    return ",".join(
        f" {sign} {getattr(each, name):g}"
        for each in chain.from_iterable(inner)
        for name, sign in SIGNS.items()
        if getattr(each, name, None) is not None
    )


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return REQUIRED
    value = info.get_default(call_default_factory=True)
    if not isinstance(value, BaseModel):
        return f"`{_flow(value)}`"
    kind = {"kind": value.kind} if info.metadata and hasattr(value, "kind") else {}
    changed = kind | value.model_dump(mode="json", exclude_defaults=True)
    return f"`{_flow(changed)}`" if changed else BELOW


def _flow(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, BaseModel):
        return _flow(value.model_dump(mode="json", exclude_defaults=True))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    is_word = isinstance(value, str) and re.fullmatch(r"[\w.-]+", value)
    return str(value) if is_word else json.dumps(value)
