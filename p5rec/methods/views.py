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
from .registry import METHODS, RANKING, RATING, any_method, baseline

Views = dict[str, dict[str, Method]]  # ids → view → its method
At = tuple[str, ...]


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
    kinds = {name: RANKING.get(name, {"kind": name})["kind"] for name in (*RANKING, *RATING)}
    kinds |= {name: method.kind for name, method in methods.items()}
    able = [name for name, kind in kinds.items() if _embeds(kind)]
    where = ".".join(at)
    if place := next((lines[at[:n]] for n in range(len(at), 0, -1) if at[:n] in lines), ""):
        where = f"{place}: {where}"
    if isinstance(named, str) and named not in kinds:
        expected, hint = "a method of the recipe or a baseline", did_you_mean(named, able)
        raise fault(where, expected, repr(named), hint)
    if isinstance(named, str):
        method = methods[named] if named in methods else baseline(named)
    else:
        method = _bound(named, at, lines)
    if not _embeds(method.kind):
        able = able if isinstance(named, str) else [kind for kind in METHODS if _embeds(kind)]
        got = repr(named if isinstance(named, str) else method.kind)
        raise fault(where, "a method with item vectors", got, f"take one of {', '.join(able)}")
    return method


def _embeds(kind: str) -> bool:
    return getattr(METHODS.get(kind), "embeds_items", False)


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
