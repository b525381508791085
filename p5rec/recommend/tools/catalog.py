"""Tools over a catalogue: search by words, filter by attributes, look up by id."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl
from pydantic import Field

from p5rec.core.config import Config
from p5rec.core.errors import did_you_mean, input_error
from p5rec.core.types import Catalog
from p5rec.data.text_index import TextIndex

from ..conditions import rows_where
from .tool import Rows, Tool

MOST = 100  # rows of an answer


class SearchArguments(Config):
    """The arguments of ``search_catalog``."""

    query: str = Field(min_length=1, max_length=1_000)
    """Words of titles and attributes."""
    where: str | None = None
    """A SQL condition on the attributes."""
    k: int = Field(10, ge=1, le=MOST)
    """Most items of the answer."""


class FilterArguments(Config):
    """The arguments of ``filter_catalog``."""

    where: str = Field(min_length=1)
    """A SQL condition on the attributes, such as year >= 1990."""
    k: int = Field(10, ge=1, le=MOST)
    """Most items of the answer."""


class LookupArguments(Config):
    """The arguments of ``lookup_catalog``."""

    ids: list[str] = Field(min_length=1, max_length=MOST)
    """Ids of items."""


class ProductArguments(Config):
    """The arguments of ``get_product``."""

    id: str
    """The id of an item."""


@dataclass(frozen=True, eq=False)
class CatalogTools:
    """The tools over a catalogue.

    Attributes:
        catalog: the items.
    """

    catalog: Catalog = field(repr=False)

    def all(self) -> list[Tool]:
        """``search_catalog``, ``filter_catalog``, ``lookup_catalog``, ``get_product``."""
        columns = ", ".join(self._frame.columns)
        return [
            Tool(
                "search_catalog",
                f"Finds items by words of their title and attributes ({columns}).",
                SearchArguments,
                self._search,
            ),
            Tool(
                "filter_catalog",
                f"Lists items for which a SQL condition on {columns} holds.",
                FilterArguments,
                self._filter,
            ),
            Tool(
                "lookup_catalog", "Returns the records of items by id.", LookupArguments,
                lambda arguments: [self._record(row) for row in self.rows(arguments.ids)],
            ),
            Tool(
                "get_product", "Returns the record of one item by id.", ProductArguments,
                lambda arguments: [self._record(row) for row in self.rows([arguments.id])],
            ),
        ]  # fmt: skip

    def rows(self, ids: Sequence[str]) -> list[int]:
        """The row numbers of items by id.

        Raises:
            UserError: an item is unknown.
        """
        for name in ids:
            if name not in self._row_of:
                todo = did_you_mean(name, self._row_of)
                raise input_error("id", "the id of an item", repr(name), todo)
        return [self._row_of[name] for name in ids]

    def where(self, condition: str) -> list[int]:
        """The items for which a SQL condition holds.

        Raises:
            UserError: the condition is invalid, or holds for no item.
        """
        return rows_where(condition, self._frame, "where").tolist()

    def _search(self, arguments: SearchArguments) -> Rows:
        k = arguments.k if arguments.where is None else len(self.catalog)
        found = self._index.best(arguments.query, k)
        if arguments.where is not None:
            allowed = {*self.where(arguments.where)}
            found = [(row, score) for row, score in found if row in allowed][: arguments.k]
        return [{**self._record(row), "score": round(score, 4)} for row, score in found]

    def _filter(self, arguments: FilterArguments) -> Rows:
        return [self._record(row) for row in self.where(arguments.where)[: arguments.k]]

    def _record(self, row: int) -> dict[str, Any]:
        record = self._frame.row(row, named=True)
        return json.loads(json.dumps({**record, "title": self.catalog.titles[row]}, default=str))

    @cached_property
    def _frame(self) -> pl.DataFrame:
        frame = pl.from_arrow(self.catalog.table)
        assert isinstance(frame, pl.DataFrame)
        return frame

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.catalog.ids)}

    @cached_property
    def _index(self) -> TextIndex:
        columns = [self.catalog.values(name) for name in self.catalog.attributes]
        parts = zip(self.catalog.titles, *columns, strict=True)
        return TextIndex([" ".join([title, *(w for c in own for w in c)]) for title, *own in parts])
