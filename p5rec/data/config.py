"""The schema of a recipe's ``data:`` section."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from p5rec.core.config import Config, FileName, bind, read_tree
from p5rec.core.errors import input_error
from p5rec.core.kinds import one_of

from .registry import SOURCES
from .table_config import (
    ColumnsConfig,
    Encoding,
    ItemTableConfig,
    Separator,
    UserTableConfig,
)

Kind = Literal["number", "category"]
OF_EVENTS = ("basket", "behaviour", "label", "split")  # further columns of events


class ContextConfig(Config):
    """A context column."""

    column: str
    """Column in the log."""
    kind: Kind
    """``number`` (float32), or ``category`` (text with repeated values)."""


class LabelConfig(Config):
    """The rule for positive and negative events; exactly one of the two keys."""

    column: str | None = None
    """Column in the log with 1 or 0 (true or false); empty where unknown. Set this or
    ``rating_at_least``.
    """
    rating_at_least: float | None = Field(default=None, allow_inf_nan=False)
    """Lowest rating of a positive event, in rating points; lower ratings are negative. Set this or
    ``column``.
    """

    @model_validator(mode="after")
    def _one(self) -> LabelConfig:
        if (self.column is None) == (self.rating_at_least is None):
            raise ValueError("needs either column or rating_at_least")
        return self


class BehaviourConfig(Config):
    """The behaviours of users, such as view, cart and purchase."""

    column: str
    """Column in the log with the behaviour of each event."""
    targets: list[str] = Field(min_length=1)
    """Behaviours that are recommended, held out and counted by metrics. The others are auxiliary:
    they only appear in histories.
    """
    weights: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}
    """Behaviour → weight of its events, relative to 1, in the user-item matrices of linear methods.
    """


class ProfileConfig(Config):
    """The profile events: each user's first training events."""

    share: float = Field(default=0.5, gt=0, lt=1)
    """Share of the user's training events, rounded up."""
    most: int = Field(default=30, ge=1)
    """Most events of one user."""


class KCoreConfig(Config):
    """Fewest events per user and per item."""

    user: int = Field(default=1, ge=1)
    """Fewest events of a user. 1: no filter."""
    item: int = Field(default=1, ge=1)
    """Fewest events of an item. 1: no filter."""


class SyntheticConfig(Config):
    """A synthetic dataset with a known answer (see ``p5rec.data.sources.synthetic``)."""

    kind: Literal["checkerboard", "markov", "null", "shop"] = "markov"
    """Planted structure; ``null`` has none."""
    users: int = Field(default=200, ge=1)
    """Users."""
    items: int = Field(default=100, ge=4)
    """Items."""
    events: int = Field(default=12, ge=1)
    """Events per user; purchases under ``shop``; at most half the items under ``checkerboard``."""
    p: float = Field(default=0.9, ge=0, le=1)
    """Probability that a ``markov`` event is the successor of the one before, or that a ``shop``
    view fits the user's taste.
    """
    seed: int = 0
    """Seed of the synthetic data, separate from the split's."""


class PartConfig(Config):
    """One log of several that form a corpus; its keys mean what they mean under ``data``."""

    source: Annotated[str, one_of(SOURCES.kind, SOURCES)]
    """Reader of the files."""
    path: str | None = None
    """Log file or its folder."""
    items: ItemTableConfig | None = None
    """Item table."""
    columns: ColumnsConfig = ColumnsConfig()
    """Column names of the log."""
    encoding: Encoding | None = None
    """Encoding of text files."""
    separator: Separator | None = None
    """Character between the columns of a CSV or TSV file."""
    time_format: str | None = None
    """The format of times."""
    order: Literal["time", "rows"] = "time"
    """Order of a user's events."""
    incomplete: Literal["error", "drop"] = "error"
    """Incomplete rows."""


class DataConfig(Config):
    """How a user's files become a prepared corpus."""

    source: Annotated[str, one_of(SOURCES.kind, SOURCES)]
    """Reader of the files: a name from ``p5rec data sources``."""
    path: str | None = None
    """Log file or its folder, relative to the working directory. ``ml-100k``: the MovieLens set
    that is fetched once into the cache.
    """
    items: ItemTableConfig | None = None
    """Item table. null: the source's own, else ids serve as titles."""
    users: UserTableConfig | None = None
    """User table. null: the source's own, else users have no attributes."""
    columns: ColumnsConfig = ColumnsConfig()
    """Column names of the log, where they differ from the source's own."""
    encoding: Encoding | None = None
    """Encoding of text files, such as ``latin-1``, ``cp1252`` or ``gbk``. null: UTF-8, or as a byte
    order mark says.
    """
    separator: Separator | None = None
    """Character between the columns of a CSV or TSV file. null: comma or tab, by the file's name.
    """
    time_format: str | None = None
    """The format of times: a strptime pattern; ``s``, ``ms``, ``us`` or ``ns`` (epoch values in
    that unit); ``mixed`` (the unit of each value by its size); ``excel`` (serial dates). null:
    detect epoch values of one unit, dates in digits (``20240131``, ``20240131235959``) and ISO 8601
    (UTC without a zone); stop with an error where numbers are ambiguous.
    """
    order: Literal["time", "rows"] = "time"
    """Order of a user's events: by time, or by row for a log without times, oldest first."""
    incomplete: Literal["error", "drop"] = "error"
    """Rows that lack a user, item, time, behaviour or, if the log has these columns, rating or
    basket: stop with an error, or drop and count them. Auxiliary events need no rating or basket.
    """
    context: dict[Annotated[str, Field(min_length=1)], Kind | ContextConfig] = {}
    """Further columns of the log: name → ``number`` or ``category`` where the column has that name,
    else column and kind.
    """
    label: LabelConfig | None = None
    """Positive and negative events. Nothing is dropped. null: no labels."""
    behaviour: BehaviourConfig | None = None
    """Several kinds of events, such as view, cart and purchase. null: one kind."""
    min_rating: float | None = None
    """Lowest rating of an event, in rating points; applied first. null: no filter."""
    dedupe: Literal["none", "exact", "review", "first", "last"] = "exact"
    """Repeated events. ``exact``: drop rows equal in user, item and time, which would put one event
    on both sides of a split. ``review``: also keep one of the events in which a user writes the
    same review of several items at one time, such as the variants of a product. ``first``,
    ``last``: keep one event per user and item. ``none``: keep every row. Events of different
    behaviours are never repeats. Repeats are counted and reported in any case.
    """
    k_core: KCoreConfig = KCoreConfig()
    """Fewest events per user and per item, applied until both hold."""
    catalog: Literal["log", "table"] = "log"
    """Items that may be recommended: those in the filtered log, or every row of the item table,
    cold items included.
    """
    permute_text: bool = False
    """Permutation control: permute titles and attributes among the items."""
    baskets: bool | None = None
    """Treat a user's events with one ``columns.basket`` id (without that column, with one time) as
    an unordered set. Recency then counts baskets and a split may hold out a basket. Target
    behaviours alone form baskets. null: where the log has that column or the split needs baskets.
    """
    split: Literal[
        "leave-one-out",
        "time",
        "user-time",
        "random",
        "few-shot",
        "last-basket",
        "last-basket-item",
        "all",
    ] = "leave-one-out"
    """Rule of the train, validation and test split. ``random`` is easier than a split by time: use
    it to compare with published tables.
    """
    few_shot: int = Field(default=5, ge=1)
    """Training events per user, under the split ``few-shot``."""
    test_from: str | int | None = None
    """First time of the test events, under the split ``time``: ISO 8601, or as ``time_format``
    says. null: the time of the 90 % quantile of events.
    """
    profile: ProfileConfig | None = None
    """Training events from which texts about a user are made. They are no targets of click
    training. null: no such events.
    """
    seed: int = 0
    """Seed of the data: order of equal times, row numbers, permuted texts, random split, few-shot
    events.
    """
    synthetic: SyntheticConfig = SyntheticConfig()
    """Parameters of the synthetic data, for the source ``synthetic``."""
    parts: dict[FileName, PartConfig] = {}
    """Name → log, for the source ``parts``: one corpus of several logs. Ids become ``NAME/id``, and
    items get the attribute ``domain``.
    """

    @property
    def leaves(self) -> dict[str, DataConfig]:
        """The config of each part, by name; this config, with the name "", if it has no parts.

        The columns of events are those of the whole corpus.
        """
        if not self.parts:
            return {"": self}
        columns = {n: getattr(self, n) for n in ("context", "label", "behaviour")}
        return {
            name: DataConfig(**part.dump()).model_copy(update=columns)
            for name, part in self.parts.items()
        }

    @property
    def of_baskets(self) -> bool:
        """Whether the split holds out baskets."""
        return self.split.startswith("last-basket")

    @field_validator("test_from", mode="before")
    @classmethod
    def _dates_are_written(cls, value: object) -> object:
        return value.isoformat() if isinstance(value, date) else value  # as YAML reads 2024-03-25

    @model_validator(mode="after")
    def _has_parts(self) -> Self:
        if (self.source == "parts") != bool(self.parts):
            raise ValueError("parts: expected logs for the source parts, and for no other source")
        if nested := [name for name, part in self.parts.items() if part.source == "parts"]:
            raise ValueError(f"parts.{nested[0]}.source: a part cannot have parts; list all here")
        return self

    @model_validator(mode="after")
    def _cuts_by_time(self) -> Self:
        if self.test_from is not None and self.split != "time":
            raise ValueError(f"test_from: expected the split time, got {self.split}; leave it out")
        return self

    def of_all_events(self) -> Self:
        """A copy in which every event trains; baskets stay baskets."""
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
            raise ValueError("order: the order rows reads no times; unset columns.time or order")
        return self

    @model_validator(mode="after")
    def _needs_baskets(self) -> Self:
        if self.of_baskets and self.baskets is False:
            raise ValueError(f"baskets: the split {self.split} needs them; leave it out")
        return self


def read_section(path: Path, overrides: Sequence[str] = ()) -> DataConfig:
    """The ``data:`` section of a YAML file, with overrides applied.

    Args:
        path: the YAML file.
        overrides: ``data.key=value``.

    Raises:
        UserError: the file is unreadable or has no such section.
    """
    tree, lines = read_tree(path, overrides)
    section = tree.get("data")
    if not isinstance(section, dict):
        raise input_error(path, "a section `data:`", "none", "add it")
    inner = {at[1:]: line for at, line in lines.items() if at[:1] == ("data",)}
    return bind(DataConfig, section, inner, path)
