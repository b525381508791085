"""Inspection of config schemas: the known keys at a path, and the meaning of ``null``.

Where the schema accepts None, ``null`` is a value. Elsewhere it removes the inherited value: a
section or a list returns to its default, and an inherited entry disappears.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from .kinds import Kinds


class _Removed:
    """The marker in a tree where ``null`` replaced an inherited value."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "None"


REMOVED = _Removed()


class Switched(dict[str, Any]):
    """A section merged over a section of another kind, with the keys of both.

    Attributes:
        own: its keys without the inherited ones, which belong to the other kind's schema.
        kinds: the inherited kind and its own; None for a section without the key ``kind``.
    """

    def __init__(self, both: Mapping[str, Any], own: Any, kinds: tuple[Any, Any]) -> None:
        super().__init__(both)
        self.own, self.kinds = own, kinds

    def kinds_differ(self, default: str) -> bool:
        """Whether the two kinds differ; ``default`` is the kind of a section without the key."""
        inherited, own = (default if kind is None else kind for kind in self.kinds)
        return bool(inherited != own)


def fields_at(schema: Any, loc: Sequence[str | int]) -> list[str]:
    """The known keys at ``loc``, through optional, dict, sequence and union annotations."""
    annotations = [schema]
    for step in loc:
        deeper = [inner for annotation in annotations for inner in _inside(annotation, step)]
        # a union adds its member's name to `loc`, a step that the schema lacks
        members = [member for annotation in annotations for member in _tagged(annotation, step)]
        annotations = deeper or members or annotations
    return sorted({name for model in _models(annotations) for name in model.model_fields})


def without_members(schema: Any, loc: Sequence[str | int], *, key: bool) -> tuple[str | int, ...]:
    """``loc`` without the names of union members, which are no keys of the schema.

    Args:
        schema: the annotation of the whole tree.
        loc: the location of an error.
        key: whether the last step is a key that the schema may lack.
    """
    annotations, out = [schema], []
    for depth, step in enumerate(loc):
        deeper = [inner for annotation in annotations for inner in _inside(annotation, step)]
        if deeper or (key and depth == len(loc) - 1):
            out.append(step)
        annotations = deeper or annotations
    return tuple(out)


def _tagged(annotation: Any, tag: str | int) -> list[Any]:
    """The member of a registry with the name ``tag``, in a list; empty for no such member."""
    if isinstance(annotation, Kinds):
        return [annotation.registry.get(str(tag))] if tag in annotation.registry else []
    return [member for argument in get_args(annotation) for member in _tagged(argument, tag)]


def _inside(annotation: Any, step: str | int) -> list[Any]:
    """The annotations that a value of ``annotation`` may have under the key or index ``step``."""
    if isinstance(annotation, Kinds):
        return [inner for member in annotation.members() for inner in _inside(member, step)]
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        info = annotation.model_fields.get(str(step))
        return [_kinds_or(info.annotation, info.metadata)] if info else []
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return [_kinds_or(arguments[1])]
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return [_kinds_or(arguments[0])]
    return [inner for argument in arguments for inner in _inside(argument, step)]


def _kinds_or(annotation: Any, metadata: Sequence[Any] = ()) -> Any:
    """The :class:`Kinds` in the metadata of an annotation; without one, the annotation itself."""
    markers = [*metadata, *getattr(annotation, "__metadata__", ())]
    return next((each for each in markers if isinstance(each, Kinds)), annotation)


def _models(annotations: Sequence[Any]) -> list[type[BaseModel]]:
    """The config classes in ``annotations``, at any depth."""
    out: list[type[BaseModel]] = []
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            out.append(annotation)
        elif isinstance(annotation, Kinds):
            out += annotation.members()
        else:
            out += _models(get_args(annotation))
    return out


def apply_nulls(schema: Any, tree: Any) -> Any:
    """``tree`` with its ``null`` values applied: kept as None where the schema accepts it, else
    removed.

    Args:
        schema: the annotation of ``tree``, or a list of alternatives.
        tree: plain data, with ``REMOVED`` where ``null`` replaced an inherited value.
    """
    annotations = schema if isinstance(schema, list) else [schema]
    kinds = [each for each in annotations if isinstance(each, Kinds)]
    if isinstance(tree, Switched) and kinds and tree.kinds_differ(kinds[0].default):
        return apply_nulls(schema, tree.own)
    if isinstance(tree, list):
        return [apply_nulls(_inside_any(annotations, n), value) for n, value in enumerate(tree)]
    if not isinstance(tree, dict):
        return tree
    annotations = [(isinstance(a, Kinds) and a.of(tree)) or a for a in annotations]
    out = {}
    for key, value in tree.items():
        inner = _inside_any(annotations, key)
        if value is not None and value is not REMOVED:
            out[key] = apply_nulls(inner, value)
        elif not _removes(annotations, inner, key, value is REMOVED):
            out[key] = None
    return out


def _removes(annotations: Sequence[Any], inner: Sequence[Any], key: str, inherited: bool) -> bool:
    """Whether ``null`` under ``key`` removes; ``inherited``: the key had an inherited value."""
    members = [member for annotation in inner for member in _members(annotation)]
    if not members or any(member in (None, NoneType, Any) for member in members):
        return False
    owners = [member for annotation in annotations for member in _members(annotation)]
    is_field = any(key in getattr(owner, "model_fields", {}) for owner in owners)
    return any(_is_container(member) for member in members) if is_field else inherited


def _inside_any(annotations: Sequence[Any], step: str | int) -> list[Any]:
    return [inner for annotation in annotations for inner in _inside(annotation, step)]


def _members(annotation: Any) -> list[Any]:
    """The members of a union or a registry; for another annotation, the annotation itself."""
    if isinstance(annotation, Kinds):
        return list(annotation.members())
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    container = isinstance(get_origin(annotation), type) and _is_container(annotation)
    arguments = [] if container else get_args(annotation)
    return [member for each in arguments for member in _members(each)] or [annotation]


def _is_container(annotation: Any) -> bool:
    """Whether a value of ``annotation`` has keys or entries."""
    kind = get_origin(annotation) or annotation
    return isinstance(kind, type) and issubclass(kind, BaseModel | Mapping | list | tuple)
