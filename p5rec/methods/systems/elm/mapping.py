"""The map of ELM's space for a report: items, concepts, and texts about held-out points."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

import numpy as np

from p5rec.core.rng import by_key
from p5rec.core.types import SPLITS
from p5rec.data.space_map import SpaceMap, plane
from p5rec.tasks.points import points_of
from p5rec.tasks.view import CorpusView

ITEMS = 5  # held-out items that are described, beside the mean of the first two
DOTS = 4000  # most items of the map
ARROWS = 6


def mapped(
    view: CorpusView,
    concepts: Iterable[str],
    describe: Callable[[np.ndarray], list[str]],
    split_name: str,
) -> SpaceMap:
    """The map of the space of a corpus.

    Args:
        view: the corpus with points.
        concepts: attribute values, the most common first.
        describe: points ``(B, d)`` → B texts.
        split_name: of the items that are described.
    """
    points, keys = points_of(view), view.corpus.interactions.item_keys
    known = np.flatnonzero(points.known_items)
    mean, axes = plane(points.items[known].astype(np.float64))
    held_out = known[points.item_split[known] == SPLITS[split_name]]
    chosen = held_out[by_key(keys[held_out], 0, "described points")[:ITEMS]]
    vectors = points.items[chosen]
    names = [view.names.titles[row] for row in chosen.tolist()]
    if len(chosen) > 1:
        vectors = np.concatenate([vectors, vectors[:2].mean(axis=0, keepdims=True)])
        names.append("half-way between 1 and 2")
    common = [*islice(concepts, ARROWS)]
    dots = known[by_key(keys[known], 0, "dots")[:DOTS]]
    return SpaceMap(
        items=_rounded((points.items[dots] - mean) @ axes),
        groups=[_group(view.facts.short_values[row], common) for row in dots.tolist()],
        concepts=common,
        arrows=_rounded(np.array([(_mean_with(view, trait) - mean) @ axes for trait in common])),
        points=_rounded((vectors - mean) @ axes),
        names=names,
        texts=describe(vectors),
    )


def _mean_with(view: CorpusView, trait: str) -> np.ndarray:
    """``(d,)``: the mean of the trained items that have a value."""
    points, values = points_of(view), view.facts.short_values
    rows = [row for row in points.trained_items.tolist() if trait in values[row]]
    mean: np.ndarray = points.items[rows].mean(axis=0)
    return mean


def _group(values: tuple[str, ...], concepts: list[str]) -> int:
    """The first concept among an item's values; -1: none."""
    return next((n for n, trait in enumerate(concepts) if trait in values), -1)


def _rounded(positions: np.ndarray) -> list[list[float]]:
    rounded: list[list[float]] = np.round(positions, 4).tolist()
    return rounded
