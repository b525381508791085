"""A knowledge file: facts in words, found by the words of a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import polars as pl

from p5rec.core.errors import input_error

from .files import Dialect
from .tables import read_table
from .text_index import TextIndex

COLUMN = "fact"


def read_facts(path: Path) -> tuple[str, ...]:
    """The column ``fact`` of a table file (CSV, TSV, Parquet or JSON lines).

    Raises:
        UserError: the file or the column is missing, or a fact is empty.
    """
    table = read_table(path, None, Dialect()).frame
    if COLUMN not in table.columns:
        got = ", ".join(map(repr, table.columns))
        raise input_error(path, f"a column {COLUMN!r}", got, "name the column so")
    facts = table[COLUMN].cast(pl.String)
    if facts.null_count() or not len(facts):
        raise input_error(path, "a fact in each row", "none", "fill it in")
    return tuple(facts.to_list())


@dataclass(frozen=True)
class Knowledge:
    """Facts in words.

    Attributes:
        facts: each a sentence.
    """

    facts: tuple[str, ...] = field(repr=False)

    def best(self, query: str, k: int = 1) -> list[tuple[str, float]]:
        """The at most ``k`` facts that share words with ``query``, with cosines, best first."""
        return [(self.facts[row], score) for row, score in self._index.best(query, k)]

    def nearest(self, queries: Sequence[str]) -> list[str]:
        """The fact nearest to each query; "" if none shares a word with it."""
        return [self.facts[row] if row >= 0 else "" for row in self._index.nearest(queries)]

    @cached_property
    def _index(self) -> TextIndex:
        return TextIndex(self.facts)
