"""A data set: events, items and a split, under external ids."""

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

from .frames import Frame, Kind, column_names, in_words_of, keep, kind_of, to_kind, to_polars
from .keywords import EVENTS, ITEMS, USERS, kept, section

if TYPE_CHECKING:
    from p5rec.report.plots import Picture


@dataclass(frozen=True, eq=False)
class Dataset:
    """Events of users with items, the item table, and which events train, validate and test.

    It is read, cleaned and split as a recipe's ``data:`` section is, when it is first needed, and
    cached (``P5REC_HOME``). Ids are text on the outside, whatever the frame had.

    Attributes:
        config: what is read, and how: the fields of a recipe's ``data:`` section.
        kind: the frames that come out: ``polars``, or ``pandas`` where pandas went in.
        names: files of the cache → the frames they hold, for messages.
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
        """The data set of a polars or pandas frame with a row an event.

        Args:
            events: the log.
            items: a row an item; None: titles are the ids.
            user, item, rating: columns of ``events``; None: those called so, of which ``rating``
                need not be there. The column ``item`` of ``items`` has the same name, or is called
                ``item``.
            time: column of ``events``: dates, ISO 8601 text or epoch values; None: there are no
                times, and the rows of a user are in order, oldest first.
            users: a row a user; None: nothing is known of them.
            **settings: ``basket`` (column of ``events`` with an order's or a session's id),
                ``review`` and ``summary`` (text columns of it), ``title`` (column of ``items``),
                ``attributes`` and ``user_attributes`` (the columns of ``items`` and of ``users``
                that methods may read: a list, or name → column), ``missing`` (``error`` or ``drop``
                events of items that ``items`` lacks), and the fields of
                :class:`~p5rec.data.config.DataConfig`: ``context``, ``label``, ``behaviour``,
                ``baskets``, ``time_format``, ``incomplete``, ``min_rating``, ``dedupe``,
                ``k_core``, ``catalog``, ``split``, ``seed``, ...

        Raises:
            UserError: a column is missing, or a setting is not known. What is wrong with rows is
                said when the data set is first used; rows count from 1.
        """
        named = {"user": user, "item": item, "rating": rating}
        if time != "time":  # which it is called anyway
            named["time"] = time
        tree = {**section({**named, **settings}), "source": "table"}
        with in_words_of({EVENTS: EVENTS}):
            asked = bind(DataConfig, tree, {}, "Dataset.from_frame")
            present, further = column_names(events, EVENTS), further_columns(asked)
            columns = resolve(Path(EVENTS), present, asked.columns, OWN, further, asked.order)
        store = _store()
        log = keep(to_polars(events, EVENTS, [*columns.values()]), store)
        names, tree["path"] = {str(log): EVENTS}, str(log)
        for name, frame, column in ((ITEMS, items, item), (USERS, users, user)):
            if frame is not None:
                tree[name] = kept(frame, name, tree[name] or {"columns": {}}, column, store)
                names[tree[name]["path"]] = name
        with in_words_of(names):
            config = bind(DataConfig, tree, {}, "Dataset.from_frame")
        return cls(config, kind_of(events), names)

    @classmethod
    def from_file(cls, path: str | Path, source: str = "table", **settings: Any) -> Dataset:
        """The data set of a log on disk.

        Args:
            path: a file or folder, or the name of an embedded set (``ml-100k``).
            source: its kind, see ``p5rec data sources``.
            **settings: as the keywords of :meth:`from_frame`; ``items`` and ``users`` are the paths
                of those tables, ``item_id`` and ``user_id`` their id columns.

        Raises:
            UserError: a setting is not known.
        """
        tree = {**section(settings), "source": source, "path": str(path)}
        return cls(bind(DataConfig, tree, {}, "Dataset.from_file"))

    @classmethod
    def from_config(
        cls, config: str | Path | Mapping[str, Any] | DataConfig, overrides: Sequence[str] = ()
    ) -> Dataset:
        """The data set that a recipe's ``data:`` section describes.

        Args:
            config: a YAML file, a shipped config's name, a run's folder, or the section itself.
            overrides: ``data.key=value``, on top of a YAML.

        Raises:
            UserError: it cannot be read, or says something that is not known.
        """
        if isinstance(config, DataConfig):
            return cls(config)
        if isinstance(config, Mapping):
            return cls(bind(DataConfig, dict(config), {}, "data"))
        return cls(read_section(config_path(config), overrides))

    def split(self, rule: str = "leave-one-out", seed: int = 0, **settings: Any) -> Dataset:
        """The same data under a split, read and cleaned now.

        Args:
            rule: ``leave-one-out``, ``time``, ``user-time``, ``few-shot``, ``last-basket``,
                ``last-basket-item``, or ``all``, which holds nothing out (:mod:`p5rec.data.split`).
            seed: breaks equal times, and draws the few-shot events.
            **settings: ``few_shot``, training events a user under that rule; ``test_from``, the
                first moment whose events test under ``time``.

        Raises:
            UserError: a row is broken, nothing is left, or nobody can be tested on.
        """
        tree = {**self.config.dump(), **settings, "split": rule, "seed": seed}
        made = replace(self, config=bind(DataConfig, tree, {}, "Dataset.split"))
        made.check_readable() if rule == ALL else made.check_evaluable()
        return made

    def of_all_events(self) -> Dataset:
        """The same under the rule ``all``: what a model in production is fitted to."""
        return replace(self, config=self.config.of_all_events())

    def check_readable(self) -> None:
        """Reads and cleans it now.

        Raises:
            UserError: a row is broken, or nothing is left.
        """
        assert self.data

    def check_evaluable(self) -> None:
        """The same, and whether somebody can be tested on.

        Raises:
            UserError: a row is broken, nothing is left, or nobody can be.
        """
        with in_words_of(self.names):
            check_evaluable(self.summary, Path(self.config.path or self.config.source))

    @cached_property
    def data(self) -> Artefact:
        """The stage that prepared it.

        Raises:
            UserError: see :meth:`split`; that nobody can be tested on is no error here.
        """
        with in_words_of(self.names):
            return prepare_data(self.config, _store().quiet(), evaluable=False)

    @cached_property
    def corpus(self) -> Corpus:
        """The same under row numbers, memory-mapped: what the package works on inside."""
        return load_corpus(self.data.path)

    @property
    def summary(self) -> dict[str, Any]:
        """What was read, and how many events went, by what they lacked (``dropped``)."""
        found: dict[str, Any] = read_json(self.data.path / SUMMARY)
        return found

    def prepared(self, store: str | Path | None = None, *, verbose: bool = True) -> Prepared:
        """What stages are made on.

        Args:
            store: the folder that caches them; None: that of the command line.
            verbose: print a line for each stage.
        """
        cached = _store(store)
        return Prepared(self.corpus, self.data, cached if verbose else cached.quiet())

    def describe(self) -> dict[str, Any]:
        """Counts, shape and split, as ``p5rec data describe`` prints them."""
        return describe(self.corpus, ordinal=self.summary["ordinal"])

    def plot(self) -> Picture:
        """How much each user did, how unequal items are and when events were, as a picture that a
        notebook shows."""
        from p5rec.report.data_plots import data_figure

        return data_figure(self.corpus.interactions, ordinal=self.summary["ordinal"])

    @property
    def users(self) -> Frame:
        """A row a user: ``user``, the attributes, and ``events``, their number."""
        return self._counted(self.corpus.users.table, np.diff(self.corpus.interactions.offsets))

    @property
    def items(self) -> Frame:
        """The item table: ``item``, ``title``, the attributes, and ``events``, their number."""
        log = self.corpus.interactions
        counts = np.bincount(log.items, minlength=log.n_items)
        return self._counted(self.corpus.catalog.table, counts)

    @property
    def events(self) -> Frame:
        """All events by user, then time: ``user``, ``item``, ``time`` (UTC; the position where
        there is order only), and where there are some ``rating``, ``basket`` (a number: events of
        one user's basket share it), ``behaviour``, ``label`` (1 or 0; null: unknown) and the
        columns of ``context``; ``part`` (``train``, ``valid``, ``test``; null: unused)."""
        return self._events(None)

    @property
    def train(self) -> Frame:
        """The training events, as :attr:`events` less ``part``."""
        return self._events("train")

    @property
    def valid(self) -> Frame:
        """The validation events, as :attr:`events` less ``part``."""
        return self._events("valid")

    @property
    def test(self) -> Frame:
        """The test events, as :attr:`events` less ``part``."""
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

    def _events(self, part: str | None) -> Frame:
        log, split = self.corpus.interactions, self.corpus.split
        rows = np.arange(len(log)) if part is None else np.flatnonzero(split.mask(part))
        times = pl.Series("time", log.times[rows])
        found = pl.DataFrame(
            [
                self._user_ids.gather(log.users[rows]).alias("user"),
                self._item_ids.gather(log.items[rows]).alias("item"),
                times if self.summary["ordinal"] else pl.from_epoch(times, "s"),
            ]
        )
        found = found.hstack(_beside(log, rows))
        if part is None:
            found = found.with_columns(part=_named(split.of_event, [*SPLITS]))
        return self._out(found)

    def _counted(self, table: pa.Table, events: np.ndarray) -> Frame:
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return self._out(frame.with_columns(events=pl.Series(events)))

    def _out(self, frame: pl.DataFrame) -> Frame:
        return to_kind(frame, self.kind)


def _beside(log: Interactions, rows: np.ndarray) -> pl.DataFrame:
    """What the events ``rows`` have beside user, item and time, under the names that users gave."""
    found: dict[str, pl.Series] = {}
    if log.ratings is not None:
        found["rating"] = pl.Series(log.ratings[rows])
    if log.baskets is not None:
        found["basket"] = pl.Series(log.baskets[rows])
    if (done := log.behaviours) is not None:
        found["behaviour"] = _named(done.codes[rows], done.names)
    if log.labels is not None:
        labels = pl.Series(log.labels[rows])
        found["label"] = labels.set(labels < 0, None)
    for name, column in log.context.items():
        if isinstance(column, Categories):
            found[name] = _named(column.codes[rows], column.values)
        else:
            found[name] = pl.Series(column[rows]).fill_nan(None)
    return pl.DataFrame(found)


def _named(codes: np.ndarray, names: Sequence[str]) -> pl.Series:
    """What ``codes (E,)`` stand for; null where they are below 0."""
    values = pl.Series([*names, None], dtype=pl.String)
    return values.gather(np.where(codes < 0, len(names), codes))


def _store(root: str | Path | None = None) -> Store:
    return _session(cache_home() / "store" if root is None else Path(root).expanduser())


@cache
def _session(root: Path) -> Store:
    """The store under ``root``: what this session has asked of it stays there until it ends."""
    return Store(root)


def data_set(data: object, where: str) -> Dataset:
    """``data``, which must be one.

    Args:
        where: who takes it, for the message.

    Raises:
        UserError: it is something else, such as a frame.
    """
    if not isinstance(data, Dataset):
        todo = "make one with p5rec.Dataset.from_frame or .from_file"
        raise input_error(where, "a p5rec.Dataset", f"a {type(data).__name__}", todo)
    return data
