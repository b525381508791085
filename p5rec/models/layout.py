"""Where item codes live in a model's vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from p5rec.core.types import Histories, ItemCodes


@dataclass(frozen=True, eq=False)
class CodeLayout:
    """Item codes as token ids: code ``c`` of level ``l`` is token ``first + starts[l] + c``.

    Attributes:
        codes: the items' codes, ``(N, L)``.
        first: the token id of code 0 of level 0.
    """

    codes: ItemCodes
    first: int

    @property
    def items(self) -> np.ndarray:
        """``(N, L)`` int64 token ids of every item."""
        return self.codes.flat + self.first

    def histories(self, histories: Histories) -> list[np.ndarray]:
        """Each history as one token sequence, oldest first: B arrays of ``length * L`` ids."""
        levels = self.codes.levels
        tokens = self.items[histories.items].reshape(-1)
        cuts = histories.offsets[1:] * levels
        return np.split(tokens, cuts)[: len(histories)]
