"""A fitted method's arrays on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_array

from p5rec.core.errors import input_error

FILE = "model.safetensors"


def save_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes ``arrays`` into ``folder``."""
    save_file({name: np.ascontiguousarray(each) for name, each in arrays.items()}, folder / FILE)


def load_arrays(folder: Path) -> dict[str, Any]:
    """The arrays that :func:`save_arrays` wrote, bit by bit.

    Raises:
        UserError: the file is missing or damaged.
    """
    path = folder / FILE
    try:
        arrays: dict[str, Any] = load_file(path)
    except FileNotFoundError:
        raise input_error(
            path, "a fitted method's arrays", "nothing there", "fit it again"
        ) from None
    except (OSError, SafetensorError) as error:
        got = str(error).splitlines()[0]
        raise input_error(path, "a fitted method's arrays", got, "fit it again") from None
    return arrays


def sparse_arrays(name: str, matrix: csr_array) -> dict[str, np.ndarray]:
    """A square sparse matrix as arrays."""
    return {f"{name}.{field}": getattr(matrix, field) for field in ("data", "indices", "indptr")}


def sparse(name: str, arrays: Mapping[str, np.ndarray], columns: int | None = None) -> csr_array:
    """The matrix behind :func:`sparse_arrays`, with ``columns`` columns; None: it is square."""
    data, indices, indptr = (arrays[f"{name}.{field}"] for field in ("data", "indices", "indptr"))
    n = len(indptr) - 1
    return csr_array((data, indices, indptr), shape=(n, n if columns is None else columns))
