"""The schema of a user's tables in a recipe's ``data:`` section: files, columns, attributes."""

from __future__ import annotations

import codecs
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from p5rec.core.config import Config


def _encoding(name: str) -> str:
    try:
        "".encode(name)
        codecs.lookup(name)
    except (LookupError, ValueError):
        raise ValueError(f"{name!r} is no text encoding; try utf-8, latin-1 or gbk") from None
    return name


def _separator(character: str) -> str:
    if len(character) != 1 or not character.isascii() or character in '"\r\n\0':
        raise ValueError(f"{character!r} is no single ASCII character like ';' or '|'")
    return character


Encoding = Annotated[str, AfterValidator(_encoding)]
Separator = Annotated[str, AfterValidator(_separator)]


class ColumnsConfig(Config):
    """Names of the log's columns in the user's file; None takes the source's own name.

    The ``table`` source's own names are the field names themselves. ``basket`` is the id of an
    order, an invoice, a session: one user's events under one id are a basket.
    """

    user: str | None = None
    """Column of user ids. null: the source's own name."""
    item: str | None = None
    """Column of item ids. null: the source's own name."""
    time: str | None = None
    """Column of times. null: the source's own name."""
    rating: str | None = None
    """Column of ratings. null: the source's own name, if the log has it."""
    review: str | None = None
    """Column of review texts. null: the source's own name, if the log has it."""
    summary: str | None = None
    """Column of review titles. null: the source's own name, if the log has it."""
    basket: str | None = None
    """Column of order, invoice or session ids: events of one user under one id are a basket. null:
    the source's own name, if the log has it.
    """


class AttributeConfig(Config):
    """One attribute of the items."""

    column: str
    """Column in the table."""
    separator: str | None = Field(default=None, min_length=1)
    """Character that splits a cell into a list (``Drama|Comedy`` at ``|``). null: the cell is one
    value.
    """


class ItemColumnsConfig(Config):
    """Names of the item table's columns."""

    item: str | None = None
    """Column of the log's item ids. null: ``item``."""
    title: str | None = None
    """Column of titles. null: ``title``."""
    attributes: dict[str, str | AttributeConfig] = Field(default_factory=dict)
    """Attribute → its column, or column and separator. Only these attributes reach prompts."""

    @field_validator("attributes")
    @classmethod
    def _no_second_title(cls, value: dict[str, object]) -> dict[str, object]:
        if taken := {"item", "title"} & value.keys():
            raise ValueError(f"{' and '.join(sorted(taken))} cannot name an attribute")
        return value


class ItemTableConfig(Config):
    """The table of items: CSV, TSV, Parquet or JSON lines."""

    path: str | None = None
    """File: CSV, TSV, Parquet or JSON lines. null: the source's own table, if it has one."""
    columns: ItemColumnsConfig = ItemColumnsConfig()
    """Column names; read only with ``path``."""
    encoding: Encoding | None = None
    """Text encoding. null: as ``data.encoding``."""
    separator: Separator | None = None
    """Column separator. null: as ``data.separator``."""
    missing: Literal["error", "drop"] = "error"
    """Events whose item the table lacks: stop with an error, or drop and count them."""


class UserColumnsConfig(Config):
    """Names of the user table's columns."""

    user: str | None = None
    """Column of the log's user ids. null: ``user``."""
    attributes: dict[str, str | AttributeConfig] = Field(default_factory=dict)
    """Attribute → its column, or column and separator. Only these attributes reach prompts."""

    @field_validator("attributes")
    @classmethod
    def _no_second_id(cls, value: dict[str, object]) -> dict[str, object]:
        if "user" in value:
            raise ValueError("user cannot name an attribute")
        return value


class UserTableConfig(Config):
    """The table of users: CSV, TSV, Parquet or JSON lines.

    Users of the log without a row have no attributes. Rows without a user in the log are dropped.
    Both are counted.
    """

    path: str | None = None
    """File: CSV, TSV, Parquet or JSON lines. null: the source's own table, if it has one."""
    columns: UserColumnsConfig = UserColumnsConfig()
    """Column names; read only with ``path``."""
    encoding: Encoding | None = None
    """Text encoding. null: as ``data.encoding``."""
    separator: Separator | None = None
    """Column separator. null: as ``data.separator``."""
