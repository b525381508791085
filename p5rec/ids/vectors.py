"""Fuses several views of an item into one vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from p5rec.core.errors import input_error
from p5rec.data.cells import as_id
from p5rec.data.known import read_columns

CONTENT = ("text", "file")  # views that may have items without events
RIDGE = 0.01  # of the mean eigenvalue
MIN_EIGENVALUE = 0.01  # of the largest one; limits how much whitening stretches an axis


@dataclass(frozen=True, eq=False)
class View:
    """How one view is transformed before fusion.

    Attributes:
        weight: norm of the transformed view.
        width: d, width of the view.
        mean, basis: ``(d,)`` and ``(d, k)``: whitening; None without whitening.
        guess: ``(B, k)`` regression from the content views that estimate others to this view, for
            items that this view lacks; None for these content views, or without one.
    """

    weight: float
    width: int
    mean: np.ndarray | None
    basis: np.ndarray | None
    guess: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Fusion:
    """Concatenation of views: optionally whitened, then scaled to their weights.

    If a view lacks an item, ridge regression on the complete ``CONTENT`` views estimates it, or,
    without a complete one, on all of them, with zeros where they lack the item. The regression is
    fitted on the items that the view has. New items and items without training events are treated
    in the same way.

    Attributes:
        views: name to view, in order.
    """

    views: Mapping[str, View]

    @classmethod
    def fit(
        cls, matrices: Mapping[str, np.ndarray], weights: Mapping[str, float], *, whiten: bool
    ) -> Fusion:
        """Fits the fusion of ``matrices``, name to ``(N, d)``; NaN rows mark unknown items."""
        views = {name: _view(matrix, weights[name], whiten) for name, matrix in matrices.items()}
        scaled = {name: _transform(views[name], matrix) for name, matrix in matrices.items()}
        content = [name for name in scaled if name in CONTENT]
        complete = [name for name in content if not np.isnan(scaled[name]).any()]
        if not (guessing := complete or content):
            return cls(views)
        base = np.nan_to_num(np.concatenate([scaled[name] for name in guessing], axis=1))
        for name in scaled.keys() - set(guessing):
            known = ~np.isnan(scaled[name][:, 0])
            if known.any():
                guess = _ridge(base[known], scaled[name][known])
                views[name] = replace(views[name], guess=guess)
        return cls(views)

    def __call__(self, matrices: Mapping[str, np.ndarray]) -> np.ndarray:
        """``(N, D)`` float32, D the summed widths; unknown views without an estimate are zero."""
        scaled = {name: _transform(view, matrices[name]) for name, view in self.views.items()}
        guessed = [name for name, view in self.views.items() if view.guess is not None]
        base = [each for name, each in scaled.items() if name not in guessed and name in CONTENT]
        for name, view in self.views.items():
            unknown = np.isnan(scaled[name][:, 0])
            if not unknown.any():
                continue
            filled = np.zeros((int(unknown.sum()), scaled[name].shape[1]), dtype=np.float32)
            if view.guess is not None:
                content = np.nan_to_num(np.concatenate([each[unknown] for each in base], axis=1))
                filled = _scaled(content @ view.guess, view.weight)
            scaled[name][unknown] = filled
        if len(scaled) == 1:
            return next(iter(scaled.values()))
        return np.concatenate(list(scaled.values()), axis=1)

    def state(self) -> dict[str, np.ndarray]:
        """The state as named arrays, for :meth:`restored`."""
        state = {}
        for name, view in self.views.items():
            state[f"{name} weight"] = np.array([view.weight, view.width])
            for key in ("mean", "basis", "guess"):
                if (array := getattr(view, key)) is not None:
                    state[f"{name} {key}"] = array
        return state

    @classmethod
    def restored(cls, state: Mapping[str, np.ndarray], names: Sequence[str]) -> Fusion:
        """Restores the fusion of the views ``names`` from ``state``."""
        return cls(
            {
                name: View(
                    float(state[f"{name} weight"][0]),
                    int(state[f"{name} weight"][1]),
                    *(state.get(f"{name} {key}") for key in ("mean", "basis", "guess")),
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
    basis = axes / np.sqrt(np.maximum(values, MIN_EIGENVALUE * values.max(initial=1e-12)))
    return View(weight, matrix.shape[1], mean, basis.astype(np.float32))


def _transform(view: View, matrix: np.ndarray) -> np.ndarray:
    """``(N, k)`` float32, whitened and scaled to the view's weight; NaN for unknown items."""
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


def file_vectors(path: Path, ids: Sequence[str], kind: str = "item") -> np.ndarray:
    """``(N, d)`` float32 vectors from the user's file; NaN rows for items that it lacks.

    Args:
        path: ``.npy`` (``(N, d)``, in the order of the item table; no pickled objects), or
            ``.parquet`` with the columns ``item`` and ``vector`` (a list of numbers, or null).
        ids: external ids of the N items.
        kind: ``item``, or ``user`` for vectors of users.

    Raises:
        UserError: the file is missing, of another kind, or does not fit the items.
    """
    if path.suffix == ".npy":
        return _array(path, len(ids), kind)
    if path.suffix != ".parquet":
        raise input_error(path, "a .npy or .parquet file", repr(path.suffix), "convert the file")
    table = read_columns(path, [kind, "vector"]).drop_nulls("vector")
    numbers = table.schema["vector"]
    if not isinstance(numbers, pl.List | pl.Array) or not numbers.inner.is_numeric():
        got = str(numbers)
        raise input_error(path, "lists of numbers in column vector", got, "re-export the file")
    widths = table["vector"].cast(pl.List(pl.Float32)).list.len().unique().to_list()
    if len(widths) != 1 or not widths[0]:
        raise input_error(
            path, "vectors of one length", f"lengths {sorted(widths)[:3]}", "fix the file"
        )
    vectors = np.array(table["vector"].to_list(), dtype=np.float32)
    row_of = {item: row for row, item in enumerate(as_id(table[kind]).to_list())}
    rows = np.array([row_of.get(item, -1) for item in ids])
    out = np.full((len(ids), widths[0]), np.nan, dtype=np.float32)
    out[rows >= 0] = vectors[rows[rows >= 0]]
    if not (rows >= 0).any():
        raise input_error(path, f"vectors of the {kind}s", "none of them", f"check column {kind}")
    return out


def _array(path: Path, n_rows: int, kind: str) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise input_error(path, "a .npy file", "nothing there", "check the path") from None
    except (ValueError, EOFError) as error:
        raise input_error(
            path, "an array of numbers", str(error), "save it without objects"
        ) from None
    if array.ndim != 2 or len(array) != n_rows or array.dtype.kind != "f":
        got = f"{array.dtype} {array.shape}"
        raise input_error(
            path, f"float vectors, one for each of {n_rows} {kind}s", got, "fix the file"
        )
    return array.astype(np.float32, copy=False)
