"""Several views of an item as one vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from p5rec.core.errors import input_error
from p5rec.data.cells import as_id
from p5rec.data.known import read_columns

CONTENT = ("text", "file")  # views that may know an item that nobody has met
RIDGE = 0.01  # of the mean eigenvalue
FLOOR = 0.01  # of the largest eigenvalue: no axis is stretched beyond what this allows


@dataclass(frozen=True, eq=False)
class View:
    """How one view of the items becomes its part of their vectors.

    Attributes:
        weight: length of the part.
        width: d, of the view itself.
        mean, basis: ``(d,)`` and ``(d, k)``: whitening; None where the view is taken as it is.
        guess: ``(B, k)`` from the views that know every item by its content to this one, for items
            that it does not know; None for those views themselves, or where there are none.
    """

    weight: float
    width: int
    mean: np.ndarray | None
    basis: np.ndarray | None
    guess: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Fusion:
    """Views of the items, whitened if that is asked, scaled to their weights, side by side.

    An item that a view does not know gets the part that its content suggests: the ridge
    regression, over the items that the view knows, of the view on those in ``CONTENT`` that know
    every item. So a new item is placed as an item of the table was that training never saw.

    Attributes:
        views: by name, in order.
    """

    views: Mapping[str, View]

    @classmethod
    def fit(
        cls, given: Mapping[str, np.ndarray], weights: Mapping[str, float], *, whiten: bool
    ) -> Fusion:
        """How to fuse views ``(N, d)`` by name; rows of NaN are items a view does not know."""
        views = {name: _view(matrix, weights[name], whiten) for name, matrix in given.items()}
        parts = {name: _part(views[name], matrix) for name, matrix in given.items()}
        sure = [n for n, part in parts.items() if n in CONTENT and not np.isnan(part).any()]
        if not sure:
            return cls(views)
        base = np.concatenate([parts[name] for name in sure], axis=1)
        for name in parts.keys() - set(sure):
            known = ~np.isnan(parts[name][:, 0])
            if known.any():
                guess = _ridge(base[known], parts[name][known])
                views[name] = replace(views[name], guess=guess)
        return cls(views)

    def __call__(self, given: Mapping[str, np.ndarray]) -> np.ndarray:
        """``(N, D)`` float32, D the summed widths; what nothing is known of stays zero."""
        parts = {name: _part(view, given[name]) for name, view in self.views.items()}
        guessed = [name for name, view in self.views.items() if view.guess is not None]
        base = [part for name, part in parts.items() if name not in guessed and name in CONTENT]
        for name, view in self.views.items():
            unknown = np.isnan(parts[name][:, 0])
            if not unknown.any():
                continue
            filled = np.zeros((int(unknown.sum()), parts[name].shape[1]), dtype=np.float32)
            if view.guess is not None:
                seen = np.nan_to_num(np.concatenate([part[unknown] for part in base], axis=1))
                filled = _scaled(seen @ view.guess, view.weight)
            parts[name][unknown] = filled
        if len(parts) == 1:
            return next(iter(parts.values()))
        return np.concatenate(list(parts.values()), axis=1)

    def state(self) -> dict[str, np.ndarray]:
        """Arrays by name that :meth:`restored` makes the same fusion of."""
        found = {}
        for name, view in self.views.items():
            found[f"{name} weight"] = np.array([view.weight, view.width])
            for part in ("mean", "basis", "guess"):
                if (array := getattr(view, part)) is not None:
                    found[f"{name} {part}"] = array
        return found

    @classmethod
    def restored(cls, state: Mapping[str, np.ndarray], names: Sequence[str]) -> Fusion:
        """The fusion of the views ``names`` that left ``state``."""
        return cls(
            {
                name: View(
                    float(state[f"{name} weight"][0]),
                    int(state[f"{name} weight"][1]),
                    *(state.get(f"{name} {part}") for part in ("mean", "basis", "guess")),
                )
                for name in names
            }
        )


def _view(matrix: np.ndarray, weight: float, whiten: bool) -> View:
    known = matrix[~np.isnan(matrix[:, 0])]
    if not whiten or not len(known):
        return View(weight, matrix.shape[1], None, None)
    mean = known.mean(axis=0)
    values, axes = np.linalg.eigh(np.atleast_2d(np.cov((known - mean).T.astype(np.float64))))
    basis = axes / np.sqrt(np.maximum(values, FLOOR * values.max(initial=1e-12)))
    return View(weight, matrix.shape[1], mean, basis.astype(np.float32))


def _part(view: View, matrix: np.ndarray) -> np.ndarray:
    """``(N, k)`` float32 rows of the view's weight in length; NaN where it knows nothing."""
    if view.mean is not None and view.basis is not None:
        matrix = (matrix - view.mean) @ view.basis
    return _scaled(matrix, view.weight)


def _scaled(matrix: np.ndarray, weight: float) -> np.ndarray:
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    scaled: np.ndarray = matrix * (weight / np.where(norms > 0, norms, 1.0)).astype(np.float32)
    return scaled.astype(np.float32, copy=False)


def _ridge(base: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    base = base.astype(np.float64)
    gram = base.T @ base
    gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    solved: np.ndarray = np.linalg.solve(gram, base.T @ wanted)
    return solved.astype(np.float32)


def file_vectors(path: Path, item_ids: Sequence[str]) -> np.ndarray:
    """``(N, d)`` float32 vectors of the user's own; rows of NaN for items the file lacks.

    Args:
        path: ``.npy`` (``(N, d)``, in the order of the item table; no pickled objects), or
            ``.parquet`` with the columns ``item`` and ``vector`` (a list of numbers).
        item_ids: external ids of the N items.

    Raises:
        UserError: the file is missing, of another kind, or does not fit the items.
    """
    if path.suffix == ".npy":
        return _array(path, len(item_ids))
    if path.suffix != ".parquet":
        raise input_error(path, "a .npy or .parquet file", repr(path.suffix), "name such a file")
    table = read_columns(path, ["item", "vector"])
    if not isinstance(table.schema["vector"], pl.List | pl.Array):
        got = str(table.schema["vector"])
        raise input_error(path, "lists of numbers in column vector", got, "re-export the file")
    widths = table["vector"].cast(pl.List(pl.Float32)).list.len().unique().to_list()
    if len(widths) != 1 or not widths[0]:
        raise input_error(
            path, "vectors of one length", f"lengths {sorted(widths)[:3]}", "mend the file"
        )
    given = np.array(table["vector"].to_list(), dtype=np.float32)
    row_of = {item: row for row, item in enumerate(as_id(table["item"]).to_list())}
    rows = np.array([row_of.get(item, -1) for item in item_ids])
    out = np.full((len(item_ids), widths[0]), np.nan, dtype=np.float32)
    out[rows >= 0] = given[rows[rows >= 0]]
    if not (rows >= 0).any():
        raise input_error(path, "vectors of the items", "none of them", "check the column item")
    return out


def _array(path: Path, n_items: int) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise input_error(path, "a .npy file", "nothing there", "check the path") from None
    except ValueError as error:
        raise input_error(
            path, "an array of numbers", str(error), "save it without objects"
        ) from None
    if array.ndim != 2 or len(array) != n_items or array.dtype.kind != "f":
        got = f"{array.dtype} {array.shape}"
        raise input_error(
            path, f"float vectors, one for each of {n_items} items", got, "mend the file"
        )
    return array.astype(np.float32, copy=False)
