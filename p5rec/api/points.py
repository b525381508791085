"""Texts about points of a model's space, by external ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from p5rec.core.errors import UserError

from .frames import Frame, Kind, to_kind
from .model import Model

STEPS = (-4.0, -2.0, 0.0, 2.0, 4.0)  # spreads of the items along a concept


def describe_points(
    model: Model,
    items: Sequence[str | Sequence[str]],
    *,
    toward: str | None = None,
    steps: Sequence[float] = STEPS,
    family: str | None = None,
    words: dict[str, str] | None = None,
    frame: Kind = "polars",
) -> Frame:
    """What a model writes about points of its space: items, means of items, steps along a concept.

    Args:
        model: one that describes points, such as ``elm``.
        items: the points, each the id of an item, or the ids of items whose mean it is.
        toward: a common attribute value, along whose concept activation vector each point is moved;
            None: points stay.
        steps: the moves, in standard deviations of the items along the concept.
        family: prompt family; None: that of the model's setting ``described``.
        words: the other fields of the prompt, such as ``{"attribute": "genres"}``.
        frame: ``polars`` or ``pandas``.

    Returns:
        Rows ``point`` (ids joined by `` + ``), ``step`` (0 without a concept), ``text``.

    Raises:
        UserError: the model does not describe points; an item, a concept, a family or a word is
            unknown; or there is no point.
    """
    if "describe" not in model.method.capabilities:
        got = f"a {model.method.kind}"
        raise UserError(f"describe: expected a model that describes points, got {got}; take an elm")
    if not items:
        raise UserError("describe: expected an item, got none; name one")
    predictor = model.predictor()
    members = [[each] if isinstance(each, str) else [*each] for each in items]
    points = np.stack([predictor.points(own).mean(axis=0) for own in members])
    moves = np.zeros(1) if toward is None else np.asarray(steps, np.float64)
    moved = points[:, None] if toward is None else predictor.concept(toward).steps(points, moves)
    texts = predictor.describe(moved.reshape(-1, moved.shape[2]), family, **(words or {}))
    table = pl.DataFrame(
        {
            "point": np.repeat([" + ".join(own) for own in members], len(moves)),
            "step": np.tile(moves, len(members)),
            "text": texts,
        }
    )
    return to_kind(table, frame)
