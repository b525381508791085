"""The semantic ids of a catalogue. N items, L levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ItemCodes:
    """Semantic ids: a tuple of L codes for each item.

    Attributes:
        codes: ``(N, L)`` int32, ``0 <= codes[:, l] < sizes[l]``; rows are unique.
        sizes: the codebook size of each level, L integers.
        scheme: the name of the id scheme.
        tied: whether the last level only numbers the items that share all earlier codes. A model
            does not predict that level: it ranks these items by their number.
    """

    codes: np.ndarray
    sizes: tuple[int, ...]
    scheme: str
    tied: bool = False

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def levels(self) -> int:
        """L."""
        return len(self.sizes)

    @property
    def starts(self) -> np.ndarray:
        """``(L,)`` int64: the offset of each level in the flat range of ``sum(sizes)`` codes."""
        return np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.int64)

    @property
    def flat(self) -> np.ndarray:
        """``(N, L)`` int64: codes numbered across all levels, ``starts[l] + codes[:, l]``."""
        flat: np.ndarray = self.codes.astype(np.int64) + self.starts
        return flat
