"""Texts about items or users, one per entity, found by the keys of their external ids."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from p5rec.core.artefacts import Lineage, read_json
from p5rec.core.errors import input_error

TEXTS, ABOUT = "texts.parquet", "texts.parquet.manifest.json"
REDO = "write the texts again"
SCHEMA = {
    "key": pl.UInt64,
    "text": pl.String,
    "prompt_tokens": pl.Int64,
    "new_tokens": pl.Int64,
    "seconds": pl.Float64,
    "off_form": pl.Boolean,
}


@dataclass(frozen=True, eq=False)
class StoredTexts:
    """The texts of R entities.

    Attributes:
        table: one row per entity: ``key`` (uint64), ``text`` (null: it has none), ``prompt_tokens``
            and ``new_tokens`` (null: not counted), ``seconds``, and ``off_form`` (the text has
            another form than the family's answers).
        of: ``items`` or ``users``.
        lineage: the events that the prompts showed.
    """

    table: pl.DataFrame
    of: Literal["items", "users"]
    lineage: Lineage

    @classmethod
    def read(cls, folder: Path) -> StoredTexts:
        """The texts in the folder of a stage.

        Raises:
            UserError: a file is missing or damaged.
        """
        try:
            table = pl.read_parquet(folder / TEXTS, glob=False)
        except (OSError, pl.exceptions.PolarsError):
            raise input_error(folder / TEXTS, "a table of texts", "none", REDO) from None
        if dict(table.schema) != SCHEMA:
            got = ", ".join(table.columns)
            raise input_error(folder / TEXTS, f"columns {', '.join(SCHEMA)}", got, REDO)
        return cls(table, read_json(folder / ABOUT)["key"]["of"], Lineage.read(folder))

    def usable(self) -> tuple[np.ndarray, list[str]]:
        """The keys ``(n,)`` of the entities with a text of the right form, ascending, and their
        texts ``(n,)``."""
        table = self.usable_table
        return table["key"].to_numpy(), table["text"].to_list()

    @property
    def usable_table(self) -> pl.DataFrame:
        """The rows of the entities with a text of the right form, by ascending key."""
        return self.table.filter(pl.col("text").is_not_null() & ~pl.col("off_form")).sort("key")

    def of_keys(self, keys: np.ndarray) -> list[str | None]:
        """The text of each of ``keys (n,)``; None without one."""
        known, texts = self.usable()
        by_key = dict(zip(known.tolist(), texts, strict=True))
        return [by_key.get(key) for key in keys.tolist()]
