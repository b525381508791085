"""Settings that hold another method: a section, or the name of one of the recipe's methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from p5rec.core.errors import UserError, did_you_mean, input_error


def names_in(*others: Any) -> Iterator[str]:
    """The names among ``others``, and those that their sections hold."""
    for other in others:
        if isinstance(other, str):
            yield other
        elif other is not None:
            yield from other.method_names()


def resolve(
    other: Any, at: str, expected: str, methods: Mapping[str, Any], *, exclude_seen: bool
) -> Any:
    """The method that a setting holds.

    Args:
        other: a method, whose own names are resolved, or a name.
        at: the setting.
        expected: what it may hold, for the message.
        methods: those that it may name, by name.
        exclude_seen: see :meth:`.base.Method.resolve_names`.

    Raises:
        UserError: a name is unknown.
    """
    if isinstance(other, str):
        if other not in methods:
            raise input_error(at, expected, repr(other), did_you_mean(other, methods))
        return methods[other]
    try:
        return other.resolve_names(methods, exclude_seen=exclude_seen)
    except UserError as error:
        raise UserError(*(f"{at}.{line}" for line in error.lines)) from None


def not_fixed(other: Any, at: str) -> str | None:
    """What is wrong where the setting ``at`` reads one fit of ``other``: a grid has several."""
    if len(other.points()) == 1:
        return None
    return f"{at}: expected fixed settings, got a grid; set tune: {{}}"


def resolve_all(methods: Mapping[str, Any], *, exclude_seen: bool) -> dict[str, Any]:
    """``methods`` by name, with names resolved, those of methods that are named first.

    Raises:
        UserError: a line for each unknown name, or methods name each other in a circle.
    """
    graph = {
        name: [o for o in each.method_names() if o in methods] for name, each in methods.items()
    }
    try:
        order = [*TopologicalSorter(graph).static_order()]
    except CycleError as error:
        circle = error.args[1][::-1]
        raise UserError(
            f"methods.{circle[0]}: expected methods that can be fitted one after another, got "
            f"{' → '.join(circle)}; name another method"
        ) from None
    resolved, errors = dict(methods), []
    for name in order:
        try:
            resolved[name] = methods[name].resolve_names(resolved, exclude_seen=exclude_seen)
        except UserError as error:
            errors += [f"methods.{name}.{line}" for line in error.lines]
    if errors:
        raise UserError(*errors)
    return resolved
