"""A config's schema, seen from outside: known keys by path, and what ``null`` means where.

``null`` is a value where the schema takes it. Elsewhere it takes away: a section or a list has its
default again, and an entry that a base or an earlier line had is no longer there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from .kinds import Kinds


class _Gone:
    """What stands in a tree where ``null`` came on top of something."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "None"


GONE = _Gone()


class Switched(dict[str, Any]):
    """A section on top of one of another kind, with the keys of both.

    Attributes:
        own: its keys without those below, which are another kind's where kinds have schemas.
        kinds: the kind below and its own; None: that of a section that names none.
    """

    def __init__(self, both: Mapping[str, Any], own: Any, kinds: tuple[Any, Any]) -> None:
        super().__init__(both)
        self.own, self.kinds = own, kinds

    def apart(self, default: str) -> bool:
        """Whether the two kinds differ."""
        below, own = (default if kind is None else kind for kind in self.kinds)
        return bool(below != own)


def fields_at(schema: Any, loc: Sequence[str | int]) -> list[str]:
    """The known keys at ``loc``, seen through optional, dict, sequence and union annotations."""
    found = [schema]
    for part in loc:
        deeper = [inner for annotation in found for inner in _inside(annotation, part)]
        # a union adds its member's name to `loc`: a step in no schema
        members = [member for annotation in found for member in _tagged(annotation, part)]
        found = deeper or members or found
    return sorted({name for model in _models(found) for name in model.model_fields})


def without_members(schema: Any, loc: Sequence[str | int], *, key: bool) -> tuple[str | int, ...]:
    """``loc`` without the names of a union's members, which are steps in no schema.

    Args:
        key: the last step is a key that the schema may lack.
    """
    found, out = [schema], []
    for place, part in enumerate(loc):
        deeper = [inner for annotation in found for inner in _inside(annotation, part)]
        if deeper or (key and place == len(loc) - 1):
            out.append(part)
        found = deeper or found
    return tuple(out)


def _tagged(annotation: Any, tag: str | int) -> list[Any]:
    """The member of a registry that ``tag`` names."""
    if isinstance(annotation, Kinds):
        return [annotation.registry.get(str(tag))] if tag in annotation.registry else []
    return [member for argument in get_args(annotation) for member in _tagged(argument, tag)]


def _inside(annotation: Any, part: str | int) -> list[Any]:
    """What a value of ``annotation`` may hold under the key or index ``part``."""
    if isinstance(annotation, Kinds):
        return [inner for member in annotation.members() for inner in _inside(member, part)]
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        info = annotation.model_fields.get(str(part))
        return [_kinds_or(info.annotation, info.metadata)] if info else []
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return [_kinds_or(arguments[1])]
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return [_kinds_or(arguments[0])]
    return [inner for argument in arguments for inner in _inside(argument, part)]


def _kinds_or(annotation: Any, metadata: Sequence[Any] = ()) -> Any:
    """The kinds that an annotation or its ``metadata`` lets a registry decide on, or itself."""
    told = [*metadata, *getattr(annotation, "__metadata__", ())]
    return next((each for each in told if isinstance(each, Kinds)), annotation)


def _models(annotations: Sequence[Any]) -> list[type[BaseModel]]:
    """The config classes that annotations name, at any depth."""
    out: list[type[BaseModel]] = []
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            out.append(annotation)
        elif isinstance(annotation, Kinds):
            out += annotation.members()
        else:
            out += _models(get_args(annotation))
    return out


def settled(schema: Any, tree: Any) -> Any:
    """``tree`` without what ``null`` takes away, and with None where ``null`` is a value.

    Args:
        schema: annotation of ``tree``, or several, of which any may hold.
        tree: plain data, with ``GONE`` where ``null`` came on top of something.
    """
    annotations = schema if isinstance(schema, list) else [schema]
    kinds = [each for each in annotations if isinstance(each, Kinds)]
    if isinstance(tree, Switched) and kinds and tree.apart(kinds[0].default):
        return settled(schema, tree.own)
    if isinstance(tree, list):
        return [settled(_inside_any(annotations, n), value) for n, value in enumerate(tree)]
    if not isinstance(tree, dict):
        return tree
    annotations = [(isinstance(a, Kinds) and a.of(tree)) or a for a in annotations]
    out = {}
    for key, value in tree.items():
        inner = _inside_any(annotations, key)
        if value is not None and value is not GONE:
            out[key] = settled(inner, value)
        elif not _takes_away(annotations, inner, key, value is GONE):
            out[key] = None
    return out


def _takes_away(annotations: Sequence[Any], inner: Sequence[Any], key: str, below: bool) -> bool:
    """Whether ``null`` under ``key`` takes away; ``below``: something stood there before."""
    members = [member for annotation in inner for member in _members(annotation)]
    if not members or any(member in (None, NoneType, Any) for member in members):
        return False
    owners = [member for annotation in annotations for member in _members(annotation)]
    is_field = any(key in getattr(owner, "model_fields", {}) for owner in owners)
    return any(_holds(member) for member in members) if is_field else below


def _inside_any(annotations: Sequence[Any], part: str | int) -> list[Any]:
    return [inner for annotation in annotations for inner in _inside(annotation, part)]


def _members(annotation: Any) -> list[Any]:
    """The annotations that a union or a registry names, or the one that this is."""
    if isinstance(annotation, Kinds):
        return list(annotation.members())
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    is_container = isinstance(get_origin(annotation), type) and _holds(annotation)
    parts = [] if is_container else get_args(annotation)
    return [member for part in parts for member in _members(part)] or [annotation]


def _holds(annotation: Any) -> bool:
    """Whether a value of ``annotation`` has keys or entries."""
    kind = get_origin(annotation) or annotation
    return isinstance(kind, type) and issubclass(kind, BaseModel | Mapping | list | tuple)
