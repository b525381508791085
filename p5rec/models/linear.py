"""A linear map of the whole history, added to what the model says: item-to-item weights.

A causal model of the last events is good at what comes next, a linear one at what a user likes on
the whole; both are wrong in places of their own.

B requests, N items.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_array
from torch import Tensor

from p5rec.core.errors import fault
from p5rec.core.types import Histories
from p5rec.data.matrices import history_matrix

FILE = "linear.safetensors"
FLOOR = 0.03  # of the best item's score: what an item counts for of which nothing is said


@dataclass(frozen=True, eq=False)
class Linear:
    """What each item of a history says of all items.

    Attributes:
        weights: ``(N, N)`` sparse float32; row i is what item i says of the others.
    """

    weights: csr_array

    @cached_property
    def spoken_for(self) -> np.ndarray:
        """``(N,)`` bool: the items of which at least one item says something."""
        counts = np.bincount(self.weights.indices, minlength=self.weights.shape[1])
        said: np.ndarray = counts > 0
        return said

    def logs(self, histories: Histories) -> np.ndarray:
        """``(B, N)`` float32, 0 or less but for rounding: logarithms of the summed scores as shares
        of the best item's, each raised by ``FLOOR``; all equal where nothing is known of a history,
        NaN for items of which no item says anything.

        A logarithm adds to log-probabilities, and it bounds what an item that is not spoken for
        can lose.
        """
        seen = history_matrix(histories, self.weights.shape[0])
        # row by row: a request's scores do not depend on its neighbours
        scores = (seen @ self.weights).toarray().clip(min=0)
        best = scores.max(axis=1, keepdims=True)
        shares = np.divide(scores, best, out=np.zeros_like(scores), where=best > 0)
        logs = np.log(shares + np.float32(FLOOR))
        logs[:, ~self.spoken_for] = np.nan
        return logs

    def placed(self, row_of: np.ndarray) -> Linear:
        """The same over other items.

        Args:
            row_of: ``(M,)`` the row of each of M items, -1 for those of which nothing is known.
        """
        entries = self.weights.tocoo()
        place = np.full(self.weights.shape[0], -1)
        known = row_of >= 0
        place[row_of[known]] = np.flatnonzero(known)
        rows, columns = place[entries.row], place[entries.col]
        kept = (rows >= 0) & (columns >= 0)
        pairs = (rows[kept], columns[kept])
        return Linear(csr_array((entries.data[kept], pairs), shape=(len(row_of), len(row_of))))

    def save(self, path: Path) -> None:
        """Writes a safetensors file."""
        parts = {"data": self.weights.data, "indices": self.weights.indices.astype(np.int32)}
        save_file(parts | {"indptr": self.weights.indptr.astype(np.int64)}, path)

    @classmethod
    def load(cls, path: Path, n_items: int) -> Linear:
        """What :meth:`save` wrote of ``n_items``.

        Raises:
            UserError: it is of other items.
        """
        parts = load_file(path)
        if len(parts["indptr"]) != n_items + 1:
            raise fault(
                path, f"weights of {n_items} items", str(len(parts["indptr"]) - 1), "train again"
            )
        arrays = (parts["data"], parts["indices"], parts["indptr"])
        return cls(csr_array(arrays, shape=(n_items, n_items)))


def pooled(said: Tensor, more: Tensor) -> Tensor:
    """``(B, N)``: log-probabilities ``said (B, N)`` with ``more (B, N)`` added.

    Where ``more`` is NaN, nothing is known: such items keep, together, the probability that
    ``said`` gives them. They gain what the others gain on the mean, so that an item nobody had does
    not lose to all others for it.
    """
    known = ~more.isnan()
    both = said + more
    mean = both.masked_fill(~known, -torch.inf).logsumexp(1, keepdim=True)
    mean = mean - said.masked_fill(~known, -torch.inf).logsumexp(1, keepdim=True)
    return torch.where(known, both, said + mean.nan_to_num(0))
