"""Texts about users, found by user key, with their cost. U users, B requests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from p5rec.core.artefacts import writing
from p5rec.core.errors import input_error
from p5rec.core.rng import others
from p5rec.data.stored_texts import StoredTexts

FILE = "profiles.parquet"


@dataclass(frozen=True, eq=False)
class Profiles:
    """The texts of R users.

    Attributes:
        keys: ``(R,)`` uint64, ascending.
        texts: R texts.
        tokens: ``(R,)`` int64, tokens that were read and written for each text.
    """

    keys: np.ndarray
    texts: list[str]
    tokens: np.ndarray

    @classmethod
    def of(cls, stored: StoredTexts) -> Profiles:
        """The usable texts of a stage.

        Raises:
            UserError: the texts are about items.
        """
        if stored.of != "users":
            raise input_error(
                "profile", "texts about users", f"texts about {stored.of}", "name others"
            )
        table = stored.usable_table
        counts = table["prompt_tokens"].fill_null(0) + table["new_tokens"].fill_null(0)
        return cls(table["key"].to_numpy(), table["text"].to_list(), counts.to_numpy())

    @classmethod
    def read(cls, folder: Path) -> Profiles:
        """The texts that :meth:`save` wrote."""
        table = pl.read_parquet(folder / FILE, glob=False)
        return cls(table["key"].to_numpy(), table["text"].to_list(), table["tokens"].to_numpy())

    def save(self, folder: Path) -> None:
        """Writes the texts into ``folder``."""
        with writing(folder / FILE):
            pl.DataFrame(
                {"key": self.keys, "text": self.texts, "tokens": self.tokens}
            ).write_parquet(folder / FILE)

    def permuted(self, seed: int) -> Profiles:
        """Each text, with its cost, at another user."""
        order = others(self.keys, seed, "profiles")
        return replace(self, texts=[self.texts[n] for n in order], tokens=self.tokens[order])

    def rows(self, keys: np.ndarray) -> np.ndarray:
        """``(n,)`` int64 rows of the texts of ``keys``; -1: there is none."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, at, -1)

    def notes(self, keys: np.ndarray) -> list[str]:
        """The text of each of ``keys (n,)``; "" without one."""
        return [self.texts[row] if row >= 0 else "" for row in self.rows(keys).tolist()]
