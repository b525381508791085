"""Methods whose item vectors are views of the items in semantic ids."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.config import FileName, Lines, bind, compose
from p5rec.core.errors import UserError, did_you_mean, fault
from p5rec.ids.config import IdsConfig

from .base import Method
from .registry import METHODS, RANKING, RATING, TEXT, any_method, baseline

Views = dict[str, dict[str, Method]]  # ids → view → its method
At = tuple[str, ...]
BASELINES = (*RANKING, *RATING, *TEXT)


def view_methods(
    ids: Mapping[str, IdsConfig], methods: Mapping[str, Any], lines: Lines | None = None
) -> Views:
    """The method behind each view of each of the ids.

    Args:
        ids: of a recipe, by name.
        methods: of the recipe, by name.
        lines: what set each key of the recipe, to say where an error is.

    Raises:
        UserError: a line for each method that is not known, is no valid section, or has no item
            vectors.
    """
    found: Views = {}
    errors: list[str] = []
    for name, config in ids.items():
        found[name] = {}
        for view, settings in config.vectors.methods.items():
            at = ("ids", name, "vectors", "methods", view, "method")
            try:
                found[name][view] = _method(settings.method, at, methods, lines or {})
            except UserError as error:
                errors += error.lines
    if errors:
        raise UserError(*errors)
    return found


def save_vectors(method: Method, model: Path, file: str, folder: Path) -> Lineage:
    """Writes the item vectors of the method fitted in ``model`` to ``file`` in ``folder``.

    They are ``(N, d)`` float32 (:class:`.base.EmbedsItems`).
    """
    np.save(folder / file, method.load(model).item_vectors())
    return Lineage.none()


def _method(named: str | dict[str, Any], at: At, methods: Mapping[str, Any], lines: Lines) -> Any:
    """The method that a view names, or describes in a section of its own."""
    where = ".".join(at)
    if place := next((lines[at[:n]] for n in range(len(at), 0, -1) if at[:n] in lines), ""):
        where = f"{place}: {where}"
    if isinstance(named, dict):
        method = _bound(named, at, lines)
        _refuse_without(method.kind, {kind: kind for kind in METHODS}, where)
        return method
    kinds = {name: RANKING.get(name, {"kind": name})["kind"] for name in BASELINES}
    kinds |= {name: method.kind for name, method in methods.items()}
    if named not in kinds:
        able = [name for name, kind in kinds.items() if _embeds(kind)]
        expected = "a method of the recipe or a baseline"
        raise fault(where, expected, repr(named), did_you_mean(named, able))
    _refuse_without(named, kinds, where)
    return methods[named] if named in methods else baseline(named)


def _refuse_without(name: str, kinds: Mapping[str, str], where: str) -> None:
    """Refuses a method without item vectors; ``kinds`` are those of all that there are by name."""
    if not _embeds(kinds[name]):
        able = ", ".join(sorted(other for other, kind in kinds.items() if _embeds(kind)))
        raise fault(where, "a method with item vectors", repr(name), f"take one of {able}")


def _embeds(kind: str) -> bool:
    embeds: bool = getattr(METHODS.get(kind), "embeds_items", False)
    return embeds


def _bound(section: dict[str, Any], at: At, lines: Lines) -> Any:
    """The method of a section that stands at ``at`` in a recipe."""
    view = compose("View", method=any_method())
    vectors = compose("Vectors", methods=dict[FileName, view])  # type: ignore[valid-type]
    ids = compose("Ids", vectors=vectors)
    schema = compose("Recipe", ids=dict[FileName, ids])  # type: ignore[valid-type]
    tree: Any = section
    for key in reversed(at):
        tree = {key: tree}
    read: Any = bind(schema, tree, lines, ".".join(at[:2]))
    return read.ids[at[1]].vectors.methods[at[4]].method
