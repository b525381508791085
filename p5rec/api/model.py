"""A fitted method, asked under external ids; what is saved is loaded without the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from p5rec.core.artefacts import LINEAGE, Lineage, read_json, write_json, writing
from p5rec.core.errors import UserError, input_error
from p5rec.core.progress import silent
from p5rec.core.publishing import lay_out
from p5rec.core.registry import uncollected
from p5rec.core.types import Catalog, RankedLists
from p5rec.methods.base import LISTS, Method
from p5rec.methods.fitted import Fitted
from p5rec.methods.folder import ITEMS, check_items, is_fitted, read_method
from p5rec.methods.provenance import FILE as PROVENANCE
from p5rec.methods.provenance import NEWS, News, Provenance, read_news, read_provenance
from p5rec.recommend.serving import FILE as SERVING
from p5rec.recommend.serving import ServingConfig, read_serving

from .frames import Frame, Kind, column_names, kind_of, to_kind, to_polars
from .queries import Ids, Requests, allowed_of, rows_of

if TYPE_CHECKING:  # a model makes lists for histories without data
    from .dataset import Dataset


@dataclass(eq=False)
class Model:
    """A fitted method. It answers as it is measured.

    Attributes:
        folder: all that it is loaded from.
        method: its settings, as validation chose them.
        serving: how it is queried.
        dataset: the users that it knows by their ids, and their histories; None: it makes lists
            for histories alone.
        fitted: what the pipeline made of it; None: it was loaded.
        ids: codes that extend its own to the items of ``dataset``; None: its items are all.
        provenance: how it was made of a model before it; None: validation chose it.
        news: what was new to it then.
    """

    folder: Path
    method: Method
    serving: ServingConfig
    dataset: Dataset | None = None
    fitted: Fitted | None = None
    ids: Path | None = None
    provenance: Provenance | None = None
    news: News | None = None
    _opened: tuple[Method, Any] | None = field(default=None, init=False, repr=False)

    def recommend(
        self,
        users: Ids | None = None,
        histories: Sequence[Ids] | Mapping[Any, Ids] | None = None,
        k: int = 10,
        *,
        exclude_seen: bool | None = None,
        candidates: Ids | None = None,
        allow: Mapping[Any, Ids] | None = None,
        deny: Mapping[Any, Ids] | None = None,
        frame: Kind | None = None,
    ) -> Frame:
        """Ranked lists.

        Args:
            users: users of the data, by all that they did there; None, and no histories: every
                user.
            histories: instead: users that the data need not know, each by the ids of the items
                that they took, oldest first. A list of them is called 0, 1, ..., or user → items.
            k: items a list; it is shorter where no more may be listed.
            exclude_seen: leave out what a history holds; None: as it was measured, which is yes
                unless its recipe said otherwise.
            candidates: list only these items, for the whole call.
            allow: user → the only items that this one may be given; others get none.
            deny: user → items that this one must not be given.
            frame: ``polars`` or ``pandas``; None: as the data came.

        Returns:
            Rows ``user``, ``rank`` (from 1), ``item``, ``title``, ``score`` (larger is better;
            comparable within a list).

        Raises:
            UserError: an id is unknown, a user is left with no item, the method does not rank, or
                there are users and no data to know them by.
        """
        if users is not None and histories is not None:
            raise UserError("recommend: expected users or histories, got both; name one")
        if k < 1:
            raise input_error("recommend: k", "at least 1", str(k), "ask for an item at least")
        kind = self._kind(frame)
        ids = self._catalog.ids
        if histories is None:
            requests = Requests.of_users(users, self._data("users=[...]").corpus)
        else:
            requests = Requests.of_histories(histories, ids)
        if LISTS not in self.method.capabilities:
            raise UserError(
                f"recommend: expected a method that ranks items, got a {self.method.kind}; "
                "take another model"
            )
        predictor = self.predictor(k)
        from p5rec.recommend.lists import to_frame
        from p5rec.recommend.requests import check_some_left

        exclude = self.serving.exclude_seen if exclude_seen is None else exclude_seen
        asked, names = requests.histories, requests.names
        allowed = allowed_of(requests, ids, candidates, allow, deny)
        if allowed is not None:
            check_some_left(allowed, asked, names, len(ids), exclude_seen=exclude)
        lists = predictor.recommend(asked, k, exclude_seen=exclude, allowed=allowed)
        named = RankedLists(np.arange(len(names)), lists.items, lists.scores)
        return to_kind(to_frame(named, self._catalog, names), kind)

    def predict_rating(self, pairs: Frame, frame: Kind | None = None) -> Frame:
        """What users would rate items, in points of the data's scale.

        Args:
            pairs: columns ``user`` and ``item``; the user need not have met the item.
            frame: as that of :meth:`recommend`; None: as ``pairs`` came.

        Returns:
            Rows ``user``, ``item``, ``title``, ``rating``, in the order of ``pairs``.

        Raises:
            UserError: an id is unknown, or the method does not predict ratings.
        """
        return self._of_pairs("ratings", pairs, frame)

    def predict_click(self, pairs: Frame, frame: Kind | None = None) -> Frame:
        """The probability that users take items; arguments as those of :meth:`predict_rating`.

        Returns:
            Rows ``user``, ``item``, ``title``, ``click`` (0 to 1).

        Raises:
            UserError: an id is unknown, or the method does not predict clicks.
        """
        return self._of_pairs("clicks", pairs, frame)

    def explain(self, pairs: Frame, frame: Kind | None = None) -> Frame:
        """Why items suit users, in words; arguments as those of :meth:`predict_rating`.

        Returns:
            Rows ``user``, ``item``, ``title``, ``explanation``.

        Raises:
            UserError: an id is unknown, or the method does not explain.
        """
        return self._of_pairs("explanations", pairs, frame)

    def save(self, folder: str | Path) -> None:
        """Writes all that :func:`load` needs into ``folder``: all of it, or nothing.

        Args:
            folder: a new one, or that of a saved model, which is replaced.

        Raises:
            UserError: it holds something else, the model's codes are extended, or the disk is full
                or does not let us write there.
        """
        if self.ids is not None:
            got, todo = f"one with those in {self.ids}", "keep that folder beside the model's"
            raise input_error("save", "a model with codes of its own", got, todo)
        out = Path(folder).expanduser()
        if out.exists() and not is_fitted(out) and not (out.is_dir() and not any(out.iterdir())):
            raise input_error(
                out, "a new folder, or a saved model's", "another one", "name a new one"
            )
        with writing(out), TemporaryDirectory() as work:
            beside = {SERVING: self.serving, PROVENANCE: self.provenance, NEWS: self.news}
            kept = {name: told for name, told in beside.items() if told is not None}
            for name, told in kept.items():
                write_json(Path(work) / name, told.dump())
            lay_out({out.name: self.files() | {n: Path(work) / n for n in kept}}, out.parent)

    def refit(
        self,
        dataset: Dataset | None = None,
        *,
        store: str | Path | None = None,
        verbose: bool = True,
    ) -> Model:
        """The same method, as validation chose it, fitted to all events: nothing is held out.

        Args:
            dataset: the data, of which the split is not read; None: those it was fitted to.
            store: the folder of the cache; None: that of the command line.
            verbose: print a line for each stage, and progress.

        Raises:
            UserError: the data lack what the method needs, or it cannot be refitted.
        """
        from p5rec.pipeline.production import refit

        data = dataset or self._data("refit without a data set")
        chosen, original = self._chosen(data), self.dataset or data
        views = chosen.views(lambda: original.prepared(store, verbose=verbose), {})
        return self._renewed(partial(refit, chosen, views=views), data, store, verbose=verbose)

    def update(
        self,
        dataset: Dataset,
        share: float | None = None,
        *,
        store: str | Path | None = None,
        verbose: bool = True,
    ) -> Model:
        """The model that goes on from this one over today's log; what it makes of it is in
        ``provenance`` and ``news``.

        Semantic ids of old items stay, new ones get free ones. A language model and SASRec go on
        from their weights, over the users with new events and as many others; other methods are
        fitted anew. Weights of a fusion stay.

        Args:
            dataset: the whole log, old events and new ones; its split is not read.
            share: of the epochs of a whole training; None: 0.2.
            store, verbose: as those of :meth:`refit`.

        Raises:
            UserError: no event is new, the data lack what the method needs, or it cannot go on.
        """
        from p5rec.pipeline.production import SHARE, update

        part = SHARE if share is None else share
        work = partial(update, self._chosen(dataset), share=part)
        return self._renewed(work, dataset, store, verbose=verbose)

    def _chosen(self, data: Dataset) -> Any:
        from p5rec.pipeline.production import Chosen

        from .dataset import data_set

        data = data_set(data, "refit and update")
        return Chosen.of(self.folder, self.provenance, self.serving.fit_seed, data.config.seed)

    def _renewed(
        self,
        make: Callable[..., Any],
        data: Dataset,
        store: str | Path | None,
        *,
        verbose: bool,
    ) -> Model:
        everything = data.of_all_events()
        with nullcontext() if verbose else silent():
            made = make(prepared=everything.prepared(store, verbose=verbose))
        serving = self.serving.model_copy(update={"fit_seed": made.fitted.seed})
        fitted = made.fitted
        renewed = Model(fitted.folder, fitted.method, serving, everything, fitted)
        return replace(renewed, provenance=made.provenance, news=made.news)

    def files(self) -> dict[str, Path]:
        """The files and folders of its folder, by name."""
        return {path.name: path for path in self.folder.iterdir()}

    @property
    def lineage(self) -> Lineage | None:
        """The events it learned from; None: nobody noted them."""
        return Lineage.read(self.folder) if (self.folder / LINEAGE).is_file() else None

    @property
    def items(self) -> Frame:
        """What it can list: rows ``item``, ``title``."""
        found = {"item": self._catalog.ids, "title": self._catalog.titles}
        return to_kind(pl.DataFrame(found), self._kind(None))

    def describe(self) -> dict[str, Any]:
        """What it is: its kind, settings, tasks, items, events seen, and what fitting took."""
        lineage = self.lineage
        return {
            "kind": self.method.kind,
            "settings": self.method.dump(),
            "serving": self.serving.dump(),
            "capabilities": list(self.method.capabilities),
            "tasks": list(self.method.tasks),
            "items": len(self._catalog),
            "events_seen": None if lineage is None else len(lineage.events),
            **({} if self.provenance is None else {"provenance": self.provenance.facts()}),
            **({} if self.fitted is None else self.fitted.about),
        }

    def __repr__(self) -> str:
        return f"Model({self.method.kind}, {len(self._catalog):,} items)"

    def predictor(self, k: int | None = None) -> Any:
        """What answers (:mod:`p5rec.methods.predictors`), for lists of ``k``; it stays loaded."""
        method = self.method.overridden(self.folder, {"k": k})
        if self._opened is None:
            with uncollected():
                self._opened = method, method.opened(self.folder, self.ids, download=True)
        before, predictor = self._opened
        if before != method:
            self._opened = method, method.reopened(predictor, self.folder)
        return self._opened[1]

    @cached_property
    def _catalog(self) -> Catalog:
        if self.ids is not None and self.dataset is not None:
            return self.dataset.corpus.catalog
        known = read_json(self.folder / ITEMS)
        table = pl.DataFrame({"item": known["ids"], "title": known["titles"]})
        return Catalog(table.to_arrow())

    def _kind(self, frame: Kind | None) -> Kind:
        return frame or (self.dataset.kind if self.dataset else "polars")

    def _data(self, what: str) -> Dataset:
        if self.dataset is None:
            raise input_error(
                what, "a model with a data set", "one that was loaded without",
                "give histories=[[...]], or load it with p5rec.load(folder, dataset)",
            )  # fmt: skip
        return self.dataset

    def _of_pairs(self, what: str, pairs: Frame, frame: Kind | None) -> Frame:
        from p5rec.methods.pairs import answers_about, pair_frame

        corpus = self._data("pairs").corpus
        column_names(pairs, "pairs")
        table = to_polars(pairs, "pairs", ["user", "item"])
        if missing := next((c for c in ("user", "item") if c not in table.columns), None):
            raise input_error("pairs", f"a column {missing!r}", "none", "name it so")
        users = rows_of(table["user"], corpus.user_ids, "user", "pairs")
        items = rows_of(table["item"], corpus.catalog.ids, "item", "pairs")
        ask = answers_about(self.method, self.predictor(), corpus, what)
        found = pair_frame(ask(users, items), corpus, users, items, what)
        return to_kind(found, frame or kind_of(pairs))


def load(
    folder: str | Path, dataset: Dataset | None = None, *, ids: str | Path | None = None
) -> Model:
    """The model in a folder: saved by :meth:`Model.save`, or ``RUN_FOLDER/models/METHOD``.

    Args:
        folder: where it lies.
        dataset: to ask it about users of, with the items it was fitted to; None: it makes lists
            for histories alone.
        ids: a folder of codes that extend the model's own to new items (``p5rec ids extend``),
            which are those of ``dataset``; None: the model's items are all.

    Raises:
        UserError: there is no model, it is damaged, the data have other items, or there are
            ``ids``, and no data or no codes that they extend.
    """
    place, extended = Path(folder).expanduser(), None if ids is None else Path(ids).expanduser()
    method = read_method(place)
    serving = read_serving(place) or ServingConfig()
    made, news = read_provenance(place), read_news(place)
    model = Model(place, method, serving, dataset, ids=extended, provenance=made, news=news)
    if dataset is not None:
        from .dataset import data_set

        data_set(dataset, "load")
        check_items(place, dataset.corpus, extended)
    if extended is not None:
        if dataset is None:
            todo = "write p5rec.load(folder, dataset, ids=...)"
            raise input_error("load: ids", "the data with the new items beside them", "none", todo)
        model.predictor()
    return model
