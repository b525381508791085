"""Methods whose item embeddings are input views of semantic ids."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.config import Lines, bind, compose
from p5rec.core.errors import UserError, did_you_mean, input_error
from p5rec.data.vector_store import AboutVectors, VectorStore
from p5rec.ids.config import IdsConfig

from .base import Method
from .registry import DEFAULT, METHODS, RANKING, any_method

Views = dict[str, dict[str, Method]]  # ids → view → its method
At = tuple[str, ...]


def view_methods(
    ids: Mapping[str, IdsConfig], methods: Mapping[str, Any], lines: Lines | None = None
) -> Views:
    """The method of each view of all semantic ids.

    Args:
        ids: of a recipe, by name.
        methods: the recipe's methods, or their sections, by name.
        lines: the source line of each key of the recipe, for messages.

    Raises:
        UserError: a line for each method that is unknown, invalid, or has no item vectors.
    """
    views: Views = {}
    errors: list[str] = []
    for name, config in ids.items():
        views[name] = {}
        for view, settings in config.vectors.methods.items():
            at = ("ids", name, "vectors", "methods", view, "method")
            try:
                views[name][view] = _method(settings.method, at, methods, lines or {})
            except UserError as error:
                errors += error.lines
    if errors:
        raise UserError(*errors)
    return views


def save_vectors(method: Method, model: Path, item_keys: np.ndarray, folder: Path) -> Lineage:
    """Stores the item vectors of the method in ``model`` (:class:`.predictors.EmbedsItems`).

    Args:
        item_keys: ``(N,)`` uint64, of the model's items.
        folder: receives the :class:`p5rec.data.vector_store.VectorStore`.
    """
    vectors = method.load(model).item_vectors()
    known = ~np.isnan(vectors).any(axis=1)
    about = AboutVectors(of="items", source="model")
    VectorStore.of(item_keys[known], vectors[known], about, Lineage.none()).save(folder)
    return Lineage.none()


def _method(named: str | dict[str, Any], at: At, methods: Mapping[str, Any], lines: Lines) -> Any:
    """The method of a view, which is a name or a section."""
    where = ".".join(at)
    if line := next((lines[at[:n]] for n in range(len(at), 0, -1) if at[:n] in lines), ""):
        where = f"{line}: {where}"
    baselines = {name: RANKING.get(name, {"kind": name}) for name in (*RANKING, *METHODS)}
    known: dict[str, Any] = {**baselines, **methods}
    able = sorted(name for name, section in known.items() if _embeds(_kind(section)))
    if isinstance(named, dict):
        section, name, able = named, _kind(named), [kind for kind in METHODS if _embeds(kind)]
    elif named in known:
        section, name, at = known[named], named, ("methods", named)
    else:
        expected = "a method of the recipe or a baseline"
        raise input_error(where, expected, repr(named), did_you_mean(named, able))
    if _kind(section) in METHODS and not _embeds(_kind(section)):
        todo = f"take one of {', '.join(able)}"
        raise input_error(where, "a method with item vectors", repr(name), todo)
    return section if isinstance(section, Method) else _bound(section, at, lines)


def _kind(method: Any) -> str:
    """The kind of a method or a section."""
    named = isinstance(method, Mapping)
    return str(method.get("kind", DEFAULT) if named else getattr(method, "kind", None))


def _embeds(kind: str) -> bool:
    return kind in METHODS and getattr(METHODS.get(kind), "embeds_items", False)


def _bound(section: Any, at: At, lines: Lines) -> Any:
    """The method of the section at key ``at`` of a recipe."""
    annotation, tree = any_method(), section
    for key in reversed(at[1:]):
        annotation, tree = dict[str, annotation], {key: tree}  # type: ignore[valid-type]
    schema = compose("Recipe", **{at[0]: annotation})
    method: Any = getattr(bind(schema, {at[0]: tree}, lines, at[0]), at[0])
    for key in at[1:]:
        method = method[key]
    return method
