"""A data set: events, items and a split, with external ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from p5rec.core.artefacts import Artefact, Store, read_json
from p5rec.core.config import bind
from p5rec.core.errors import input_error
from p5rec.core.features import Categories
from p5rec.core.paths import cache_home
from p5rec.core.recipes import config_path
from p5rec.core.types import SPLITS, Corpus, Interactions
from p5rec.data.build import check_evaluable
from p5rec.data.config import DataConfig, read_section
from p5rec.data.describe import as_lines, describe
from p5rec.data.event_columns import further_columns
from p5rec.data.prepare import SUMMARY, load_corpus, prepare_data
from p5rec.data.rawlog import OWN, resolve
from p5rec.data.split import ALL
from p5rec.pipeline.prepared import Prepared

from .frames import (
    Frame,
    Kind,
    cache_frame,
    caller_names,
    column_names,
    kind_of,
    to_kind,
    to_polars,
)
from .keywords import EVENTS, ITEMS, USERS, section, table_section

if TYPE_CHECKING:
    from p5rec.report.plots import Picture


@dataclass(frozen=True, eq=False)
class Dataset:
    """Events of users and items, the item table, and a split into train, valid and test.

    The data set is read, cleaned and split on first use, like a recipe's ``data:`` section, and
    cached (under ``P5REC_HOME``). All external ids are text, whatever the type in the frame.

    Attributes:
        config: the settings, with the fields of a recipe's ``data:`` section.
        kind: the kind of the returned frames: ``pandas`` where the input was, else ``polars``.
        names: cached file → the caller's name of the frame, for messages.
    """

    config: DataConfig
    kind: Kind = "polars"
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_frame(
        cls,
        events: Frame,
        items: Frame | None = None,
        *,
        user: str | None = None,
        item: str | None = None,
        time: str | None = "time",
        rating: str | None = None,
        users: Frame | None = None,
        **settings: Any,
    ) -> Dataset:
        """A data set from a polars or pandas frame with a row for each event.

        Args:
            events: the interaction log.
            items: a row for each item; None: ids serve as titles.
            user, item, rating: columns of ``events``; None: the columns of these names, of which
                ``rating`` is optional. The id column of ``items`` has the same name as in
                ``events``, or is ``item``.
            time: column of ``events``: dates, ISO 8601 text or epoch values; None: there are no
                times, and the rows of each user are in order, oldest first.
            users: a row for each user; None: no user attributes.
            **settings: ``basket`` (column of ``events`` with the id of an order or session),
                ``review`` and ``summary`` (text columns of ``events``), ``title`` (column of
                ``items``), ``attributes`` and ``user_attributes`` (feature columns of ``items``
                and ``users``: a list, or name → column), ``missing`` (``error`` or ``drop`` events
                of items that are not in ``items``), and the fields of
                :class:`~p5rec.data.config.DataConfig`: ``context``, ``label``, ``behaviour``,
                ``baskets``, ``time_format``, ``incomplete``, ``min_rating``, ``dedupe``,
                ``k_core``, ``catalog``, ``split``, ``seed``, ...

        Raises:
            UserError: a column is missing, or a setting is unknown. Errors in rows are raised on
                first use of the data set; rows count from 1.
        """
        named = {"user": user, "item": item, "rating": rating}
        if time != "time":  # the default name
            named["time"] = time
        tree = {**section({**named, **settings}), "source": "table"}
        with caller_names({EVENTS: EVENTS}):
            parsed = bind(DataConfig, tree, {}, "Dataset.from_frame")
            present, further = column_names(events, EVENTS), further_columns(parsed)
            columns = resolve(Path(EVENTS), present, parsed.columns, OWN, further, parsed.order)
        store = _store()
        log = cache_frame(to_polars(events, EVENTS, [*columns.values()]), store)
        names, tree["path"] = {str(log): EVENTS}, str(log)
        for name, frame, column in ((ITEMS, items, item), (USERS, users, user)):
            if frame is not None:
                tree[name] = table_section(
                    frame, name, tree[name] or {"columns": {}}, column, store
                )
                names[tree[name]["path"]] = name
        with caller_names(names):
            config = bind(DataConfig, tree, {}, "Dataset.from_frame")
        return cls(config, kind_of(events), names)

    @classmethod
    def from_file(cls, path: str | Path, source: str = "table", **settings: Any) -> Dataset:
        """A data set from a log on disk.

        Args:
            path: a file or folder, or the name of an embedded set (``ml-100k``).
            source: the data source, see ``p5rec data sources``.
            **settings: the keywords of :meth:`from_frame`; ``items`` and ``users`` are paths of
                tables, ``item_id`` and ``user_id`` their id columns.

        Raises:
            UserError: a setting is unknown.
        """
        tree = {**section(settings), "source": source, "path": str(path)}
        return cls(bind(DataConfig, tree, {}, "Dataset.from_file"))

    @classmethod
    def from_config(
        cls, config: str | Path | Mapping[str, Any] | DataConfig, overrides: Sequence[str] = ()
    ) -> Dataset:
        """A data set from a recipe's ``data:`` section.

        Args:
            config: a YAML file, a shipped config's name, a run's folder, or the section itself.
            overrides: ``data.key=value``, on top of a YAML.

        Raises:
            UserError: the config cannot be read, or has an unknown key.
        """
        if isinstance(config, DataConfig):
            return cls(config)
        if isinstance(config, Mapping):
            return cls(bind(DataConfig, dict(config), {}, "data"))
        return cls(read_section(config_path(config), overrides))

    def split(self, rule: str = "leave-one-out", seed: int = 0, **settings: Any) -> Dataset:
        """The same data under another split, read and cleaned at once.

        Args:
            rule: ``leave-one-out``, ``time``, ``user-time``, ``random``, ``few-shot``,
                ``last-basket``, ``last-basket-item``, or ``all``, without held-out events
                (:mod:`p5rec.data.split`).
            seed: seed of the order of events with equal times, of the random split and of the
                few-shot sample.
            **settings: ``few_shot``, the training events per user under that rule; ``test_from``,
                the start of the test split under ``time``.

        Raises:
            UserError: a row is invalid, no event is left, or no user has a test event.
        """
        tree = {**self.config.dump(), **settings, "split": rule, "seed": seed}
        changed = replace(self, config=bind(DataConfig, tree, {}, "Dataset.split"))
        changed.check_readable() if rule == ALL else changed.check_evaluable()
        return changed

    def of_all_events(self) -> Dataset:
        """The same data under the rule ``all``, to fit production models."""
        return replace(self, config=self.config.of_all_events())

    def check_readable(self) -> None:
        """Reads and cleans the data set.

        Raises:
            UserError: a row is invalid, or no event is left.
        """
        assert self.data

    def check_evaluable(self) -> None:
        """Reads and cleans the data set, and checks that it has test users.

        Raises:
            UserError: a row is invalid, no event is left, or no user has a test event.
        """
        with caller_names(self.names):
            check_evaluable(self.summary, Path(self.config.path or self.config.source))

    @cached_property
    def data(self) -> Artefact:
        """The artefact of the prepared data set.

        Raises:
            UserError: see :meth:`split`; no error if no user has a test event.
        """
        with caller_names(self.names):
            return prepare_data(self.config, _store().quiet(), evaluable=False)

    @cached_property
    def corpus(self) -> Corpus:
        """The data set in row numbers, memory-mapped, for use inside the package."""
        return load_corpus(self.data.path)

    @property
    def summary(self) -> dict[str, Any]:
        """Counts of rows read, and of dropped events by reason (``dropped``)."""
        summary: dict[str, Any] = read_json(self.data.path / SUMMARY)
        return summary

    def prepared(self, store: str | Path | None = None, *, verbose: bool = True) -> Prepared:
        """The prepared data with the store, as input of pipeline stages.

        Args:
            store: the cache folder; None: the command line's.
            verbose: print a line for each stage.
        """
        cached = _store(store)
        return Prepared(self.corpus, self.data, cached if verbose else cached.quiet())

    def describe(self) -> dict[str, Any]:
        """Counts, shape and split, as ``p5rec data describe`` prints them."""
        return describe(self.corpus, ordinal=self.summary["ordinal"])

    def plot(self) -> Picture:
        """Events per user, popularity of items and events over time, as a picture for notebooks."""
        from p5rec.report.data_plots import data_figure

        return data_figure(self.corpus.interactions, ordinal=self.summary["ordinal"])

    @property
    def users(self) -> Frame:
        """A row for each user: ``user``, the attributes, and ``events``, their number."""
        return self._counted(self.corpus.users.table, np.diff(self.corpus.interactions.offsets))

    @property
    def items(self) -> Frame:
        """The item table: ``item``, ``title``, the attributes, and ``events``, their number."""
        log = self.corpus.interactions
        counts = np.bincount(log.items, minlength=log.n_items)
        return self._counted(self.corpus.catalog.table, counts)

    @property
    def events(self) -> Frame:
        """All events by user, then time.

        Columns: ``user``, ``item``, ``time`` (UTC; the position where there is only an order);
        where the data have them ``rating``, ``basket`` (a number, equal for the events of a
        basket), ``behaviour``, ``label`` (1 or 0; null: unknown) and those of ``context``; and
        ``split`` (``train``, ``valid``, ``test``; null: unused).
        """
        return self._events(None)

    @property
    def train(self) -> Frame:
        """The training events, as :attr:`events` without ``split``."""
        return self._events("train")

    @property
    def valid(self) -> Frame:
        """The validation events, as :attr:`events` without ``split``."""
        return self._events("valid")

    @property
    def test(self) -> Frame:
        """The test events, as :attr:`events` without ``split``."""
        return self._events("test")

    def __repr__(self) -> str:
        if "data" not in self.__dict__:
            return f"Dataset({self.config.source}, split {self.config.split}, not read yet)"
        about = self.summary
        counts = ", ".join(f"{about[name]:,} {name}" for name in ("users", "items", "events"))
        return f"Dataset({counts}, split {self.config.split})"

    def _repr_html_(self) -> str:
        if "data" not in self.__dict__:
            return f"<pre>{escape(repr(self))}</pre>"
        return f"<pre>{escape(chr(10).join(as_lines(self.describe())))}</pre>"

    @cached_property
    def _user_ids(self) -> pl.Series:
        return pl.Series("user", list(self.corpus.user_ids), dtype=pl.String)

    @cached_property
    def _item_ids(self) -> pl.Series:
        return pl.Series("item", self.corpus.catalog.ids, dtype=pl.String)

    def _events(self, split_name: str | None) -> Frame:
        log, split = self.corpus.interactions, self.corpus.split
        rows = np.arange(len(log)) if split_name is None else np.flatnonzero(split.mask(split_name))
        times = pl.Series("time", log.times[rows])
        events = pl.DataFrame(
            [
                self._user_ids.gather(log.users[rows]).alias("user"),
                self._item_ids.gather(log.items[rows]).alias("item"),
                times if self.summary["ordinal"] else pl.from_epoch(times, "s"),
            ]
        )
        events = events.hstack(_optional_columns(log, rows))
        if split_name is None:
            events = events.with_columns(split=_named(split.of_event, [*SPLITS]))
        return self._out(events)

    def _counted(self, table: pa.Table, events: np.ndarray) -> Frame:
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return self._out(frame.with_columns(events=pl.Series(events)))

    def _out(self, frame: pl.DataFrame) -> Frame:
        return to_kind(frame, self.kind)


def _optional_columns(log: Interactions, rows: np.ndarray) -> pl.DataFrame:
    """The columns of the events ``rows`` beside user, item and time, with the caller's names."""
    columns: dict[str, pl.Series] = {}
    if log.ratings is not None:
        columns["rating"] = pl.Series(log.ratings[rows])
    if log.baskets is not None:
        columns["basket"] = pl.Series(log.baskets[rows])
    if (behaviours := log.behaviours) is not None:
        columns["behaviour"] = _named(behaviours.codes[rows], behaviours.names)
    if log.labels is not None:
        labels = pl.Series(log.labels[rows])
        columns["label"] = labels.set(labels < 0, None)
    for name, column in log.context.items():
        if isinstance(column, Categories):
            columns[name] = _named(column.codes[rows], column.values)
        else:
            columns[name] = pl.Series(column[rows]).fill_nan(None)
    return pl.DataFrame(columns)


def _named(codes: np.ndarray, names: Sequence[str]) -> pl.Series:
    """The names of ``codes (E,)``; null where a code is below 0."""
    values = pl.Series([*names, None], dtype=pl.String)
    return values.gather(np.where(codes < 0, len(names), codes))


def _store(root: str | Path | None = None) -> Store:
    return _session(cache_home() / "store" if root is None else Path(root).expanduser())


@cache
def _session(root: Path) -> Store:
    """The store under ``root``; its artefacts are not pruned while this process runs."""
    return Store(root)


def data_set(data: object, where: str) -> Dataset:
    """``data``, checked to be a data set.

    Args:
        where: the name of the calling function, for the message.

    Raises:
        UserError: it has another type, such as a frame.
    """
    if not isinstance(data, Dataset):
        todo = "make one with p5rec.Dataset.from_frame or .from_file"
        raise input_error(where, "a p5rec.Dataset", f"a {type(data).__name__}", todo)
    return data
