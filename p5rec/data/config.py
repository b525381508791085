"""What a recipe's ``data:`` section may say."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from p5rec.core.config import Config, bind, read_tree
from p5rec.core.errors import input_error


def _encoding(name: str) -> str:
    try:
        "".encode(name)
        codecs.lookup(name)
    except (LookupError, ValueError):
        raise ValueError(f"{name!r} is no text encoding, such as utf-8, latin-1 or gbk") from None
    return name


def _separator(character: str) -> str:
    if len(character) != 1 or not character.isascii() or character in '"\r\n\0':
        raise ValueError(f"{character!r} is no single ASCII character, such as ';' or '|'")
    return character


Encoding = Annotated[str, AfterValidator(_encoding)]
Separator = Annotated[str, AfterValidator(_separator)]


class ColumnsConfig(Config):
    """Names of the log's columns in the user's file; None takes the source's own name.

    The ``table`` source's own names are the field names themselves. ``basket`` is the id of an
    order, an invoice, a session: one user's events under one id are a basket.
    """

    user: str | None = None
    item: str | None = None
    time: str | None = None
    rating: str | None = None
    review: str | None = None
    summary: str | None = None
    basket: str | None = None


class AttributeConfig(Config):
    """One attribute of the items.

    Attributes:
        column: its column in the item table.
        separator: splits a cell of text into a list (``Drama|Comedy`` at ``|``); None takes the
            cell as it is.
    """

    column: str
    separator: str | None = Field(default=None, min_length=1)


class ItemColumnsConfig(Config):
    """Names of the item table's columns.

    Attributes:
        item: the id that the log uses; None means ``item``.
        title: the readable name; None means ``title``.
        attributes: attribute name → its column, or column and separator. Only what is named here
            reaches a prompt.
    """

    item: str | None = None
    title: str | None = None
    attributes: dict[str, str | AttributeConfig] = Field(default_factory=dict)

    @field_validator("attributes")
    @classmethod
    def _no_second_title(cls, value: dict[str, object]) -> dict[str, object]:
        if taken := {"item", "title"} & value.keys():
            raise ValueError(f"{' and '.join(sorted(taken))} cannot name an attribute")
        return value


class ItemTableConfig(Config):
    """The table of items: CSV, TSV, Parquet or JSON lines.

    Attributes:
        path: the file; None takes the table that belongs to the source, if it has one.
        columns: which column holds what; read only where ``path`` is given.
        encoding, separator: as those of :class:`DataConfig`, which they follow where None.
        missing: what to do when the log names an item that the table lacks: refuse, or drop and
            count the events.
    """

    path: str | None = None
    columns: ItemColumnsConfig = ItemColumnsConfig()
    encoding: Encoding | None = None
    separator: Separator | None = None
    missing: Literal["error", "drop"] = "error"


class UserColumnsConfig(Config):
    """Names of the user table's columns.

    Attributes:
        user: the id that the log uses; None means ``user``.
        attributes: attribute name → its column, or column and separator. Only what is named here
            reaches a prompt.
    """

    user: str | None = None
    attributes: dict[str, str | AttributeConfig] = Field(default_factory=dict)

    @field_validator("attributes")
    @classmethod
    def _no_second_id(cls, value: dict[str, object]) -> dict[str, object]:
        if "user" in value:
            raise ValueError("user cannot name an attribute")
        return value


class UserTableConfig(Config):
    """The table of users: CSV, TSV, Parquet or JSON lines.

    Users of the log without a row there have no attributes, and rows of nobody in the log are left
    out; both are counted.

    Attributes:
        path: the file; None takes the table that belongs to the source, if it has one.
        columns: which column holds what; read only where ``path`` is given.
        encoding, separator: as those of :class:`DataConfig`, which they follow where None.
    """

    path: str | None = None
    columns: UserColumnsConfig = UserColumnsConfig()
    encoding: Encoding | None = None
    separator: Separator | None = None


Kind = Literal["number", "category"]
OF_EVENTS = ("basket", "behaviour", "label", "part")  # what else an event may have


class ContextConfig(Config):
    """A context column.

    Attributes:
        column: its column in the log.
        kind: ``number``, kept as float32, or ``category``, text of which each value is one of some.
    """

    column: str
    kind: Kind


class LabelConfig(Config):
    """What makes an event a positive or a negative one; exactly one of the two.

    Attributes:
        column: of the log: 1 or 0 (or true, false), empty where nothing is known.
        rating_at_least: events rated so or higher are positive, the other rated ones negative.
    """

    column: str | None = None
    rating_at_least: float | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one(self) -> LabelConfig:
        if (self.column is None) == (self.rating_at_least is None):
            raise ValueError("needs either column or rating_at_least")
        return self


class BehaviourConfig(Config):
    """What users do with items, such as to view, to put into a cart and to buy them.

    Attributes:
        column: of the log: the behaviour of each event.
        targets: the behaviours that are recommended and held out. The others are history alone: no
            split holds them out and no metric counts them.
        weights: behaviour → what an event of it counts for, beside 1, in the matrices of users and
            items that linear methods learn from and read.
    """

    column: str
    targets: list[str] = Field(min_length=1)
    weights: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}


class KCoreConfig(Config):
    """Least number of events a user, and an item, must keep; 1 is off."""

    user: int = Field(default=1, ge=1)
    item: int = Field(default=1, ge=1)


class SyntheticConfig(Config):
    """A synthetic world with a known answer (see ``p5rec.data.sources.synthetic``).

    Attributes:
        kind: what was planted.
        users, items: sizes U and N.
        events: events a user, under ``shop`` purchases; under ``checkerboard`` at most half the
            items.
        p: probability that a ``markov`` event is the successor of the one before, and that a view
            in a ``shop`` is of the user's taste.
        seed: the world's own seed, apart from the split's.
    """

    kind: Literal["checkerboard", "markov", "null", "shop"] = "markov"
    users: int = Field(default=200, ge=1)
    items: int = Field(default=100, ge=4)
    events: int = Field(default=12, ge=1)
    p: float = Field(default=0.9, ge=0, le=1)
    seed: int = 0


class DataConfig(Config):
    """From a user's files to a prepared corpus.

    Attributes:
        source: a name from ``p5rec data sources``.
        path: the log, or the folder that holds it, seen from the working directory; ``ml-100k``
            means the embedded MovieLens set, fetched once into the cache.
        items: the item table; None takes the source's own, else titles are the ids.
        users: the user table; None takes the source's own, else nothing is known of users.
        columns: the log's column names where they are not the source's own.
        encoding: of text files, such as ``latin-1``, ``cp1252`` or ``gbk``; None is UTF-8, or what
            a byte order mark says.
        separator: the character between the columns of a CSV or TSV file; None is what the file's
            name says, a comma or a tab.
        time_format: how times are written: a strptime pattern; ``s``, ``ms``, ``us`` or ``ns``,
            epoch values in that unit; ``mixed``, each in the unit that its own size shows;
            ``excel``, serial dates of a spreadsheet. None detects epoch values of one unit,
            digits of a date (``20240131``, ``20240131235959``) and ISO 8601 (UTC where no zone is
            written), and asks where numbers can mean several things.
        order: what a user's events are in order by: their times, or the rows of a log without
            times, oldest first. Under ``rows`` no column of times is read.
        incomplete: what to do when a row of the log lacks a user, item, time, behaviour or (where
            that column is there) rating or basket, which events that are history alone need not
            have: refuse, or drop and count the rows.
        context: further columns of the log, of numbers or categories: name → ``number`` or
            ``category`` where the column has that name, or column and kind.
        label: which events are positive and which negative; nothing is dropped by it. None:
            nothing is labelled.
        behaviour: the kinds of events; None: all are of one kind.
        min_rating: events rated lower are dropped first, on the data's scale; None keeps all.
        dedupe: what a repeated event leaves behind; events of different behaviours are no repeats.
            ``exact`` drops rows equal in user, item and time, which are recording faults and would
            put an event on both sides of a split;
            ``review`` drops those, and all but one of the events in which a user at one moment
            says the same words of several items: one review listed under every variant of a
            product, which a split would show to the training and ask about. Which item keeps it
            is drawn. ``first`` and ``last`` keep one event a user and item; ``none`` keeps every
            row. Repeats of either kind are counted and reported in any case.
        k_core: events a user and an item must keep, applied until both hold.
        catalog: what may be recommended: items with events left (``log``), or every row of the
            item table, never-seen items included (``table``).
        permute_text: deal titles and attributes out anew among the items: the control.
        baskets: a user's events under one id of ``columns.basket`` (without that column, of one
            moment) are a set, in which order carries no information: an order's events all have
            the time of its first, recency counts baskets, and splits may hold out a basket. Target
            events alone form them; events that are history alone come after the baskets of their
            moment. None: where the log has that column, or the split needs baskets.
        split: the rule, see ``p5rec.data.split``.
        few_shot: training events a user, under ``few-shot``.
        test_from: the first moment whose events test, under ``time``: ISO 8601, or as
            ``time_format`` says; None: that of 90 % of the events.
        seed: breaks equal times, shuffles row numbers, deals texts out, and draws the few-shot
            events.
        world: the world's parameters, for the source ``world``.
    """

    source: str
    path: str | None = None
    items: ItemTableConfig | None = None
    users: UserTableConfig | None = None
    columns: ColumnsConfig = ColumnsConfig()
    encoding: Encoding | None = None
    separator: Separator | None = None
    time_format: str | None = None
    order: Literal["time", "rows"] = "time"
    incomplete: Literal["error", "drop"] = "error"
    context: dict[Annotated[str, Field(min_length=1)], Kind | ContextConfig] = {}
    label: LabelConfig | None = None
    behaviour: BehaviourConfig | None = None
    min_rating: float | None = None
    dedupe: Literal["none", "exact", "review", "first", "last"] = "exact"
    k_core: KCoreConfig = KCoreConfig()
    catalog: Literal["log", "table"] = "log"
    permute_text: bool = False
    baskets: bool | None = None
    split: Literal[
        "leave-one-out", "time", "user-time", "few-shot", "last-basket", "last-basket-item", "all"
    ] = "leave-one-out"
    few_shot: int = Field(default=5, ge=1)
    test_from: str | int | None = None
    seed: int = 0
    synthetic: SyntheticConfig = SyntheticConfig()

    @property
    def of_baskets(self) -> bool:
        """Whether the split holds out baskets."""
        return self.split.startswith("last-basket")

    @field_validator("test_from", mode="before")
    @classmethod
    def _dates_are_written(cls, value: object) -> object:
        return value.isoformat() if isinstance(value, date) else value  # as YAML reads 2024-03-25

    @model_validator(mode="after")
    def _cuts_by_time(self) -> Self:
        if self.test_from is not None and self.split != "time":
            raise ValueError(f"test_from: expected the split time, got {self.split}; leave it out")
        return self

    def of_all_events(self) -> Self:
        """The same, every event of which trains; what was a basket is one still."""
        baskets = True if self.of_baskets else self.baskets
        return self.model_copy(update={"split": "all", "baskets": baskets, "test_from": None})

    @field_validator("context")
    @classmethod
    def _no_second_column(cls, value: dict[str, object]) -> dict[str, object]:
        if taken := {"user", "item", "time", "rating", *OF_EVENTS} & value.keys():
            raise ValueError(f"{' and '.join(sorted(taken))} cannot name a context column")
        return value

    @model_validator(mode="after")
    def _has_times(self) -> Self:
        if self.order == "rows" and (self.columns.time or self.time_format):
            raise ValueError("order: by rows no times are read; leave columns.time or order out")
        return self

    @model_validator(mode="after")
    def _needs_baskets(self) -> Self:
        if self.of_baskets and self.baskets is False:
            raise ValueError(f"baskets: the split {self.split} needs them; leave it out")
        return self


def read_section(path: Path, overrides: Sequence[str] = ()) -> DataConfig:
    """The ``data:`` section of a YAML, with overrides on top.

    Args:
        path: the YAML.
        overrides: ``data.key=value``.

    Raises:
        UserError: it cannot be read, or has no such section.
    """
    tree, lines = read_tree(path, overrides)
    section = tree.get("data")
    if not isinstance(section, dict):
        raise input_error(path, "a section `data:`", "none", "say there what to read")
    inner = {at[1:]: line for at, line in lines.items() if at[:1] == ("data",)}
    return bind(DataConfig, section, inner, path)
