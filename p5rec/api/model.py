"""A fitted method with an interface in external ids; a saved model loads without the data."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl

from p5rec.core.artefacts import LINEAGE, Lineage, write_json, writing
from p5rec.core.errors import UserError, input_error
from p5rec.core.progress import no_progress_bars
from p5rec.core.publishing import publish_outputs
from p5rec.core.registry import uncollected
from p5rec.core.types import Catalog
from p5rec.methods.base import LISTS, Method
from p5rec.methods.fitted import Fitted
from p5rec.methods.folder import is_fitted, read_catalog
from p5rec.methods.provenance import FILE as PROVENANCE
from p5rec.methods.provenance import NEWS, News, Provenance
from p5rec.recommend.serving import FILE as SERVING
from p5rec.recommend.serving import ServingConfig

from .frames import Frame, Kind, kind_of, to_kind
from .queries import Ids, Requests, allowed_of, pairs_of

if TYPE_CHECKING:  # a model makes lists for histories without data
    from p5rec.tasks.wishes.vocabulary import Vocabulary
    from p5rec.tasks.wishes.wish import Wish

    from .dataset import Dataset
    from .profiles import Profiles


@dataclass(eq=False)
class Model:
    """A fitted method. Its predictions are those that an evaluation measures.

    Attributes:
        folder: the folder that it is loaded from.
        method: its config, as selected on validation.
        serving: its serving settings.
        dataset: the users and their histories; None: the model ranks for given histories only.
        fitted: the output of the pipeline; None for a loaded model.
        ids: codes that extend its own to new items of ``dataset``; None: no new items.
        provenance: the model that it was refitted or updated from; None: a first fit.
        news: the events, users and items that were new to it then.
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
        wish: str | Wish | None = None,
        profiles: Profiles | None = None,
        frame: Kind | None = None,
    ) -> Frame:
        """Ranked lists.

        Args:
            users: users of the data set, with all their events; None: every user, unless there are
                ``histories``.
            histories: instead of ``users``: histories of any users, each the ids of items, oldest
                first. A mapping user → items, or a list, whose users are named 0, 1, ...
            k: length of each list; a list is shorter where fewer items are allowed.
            exclude_seen: exclude the items of the history; None: as in the model's evaluation,
                which excludes them by default.
            candidates: rank only these items, for all users.
            allow: user → the only items allowed for this user; a user that is not named gets none.
            deny: user → items excluded for this user.
            wish: a sentence that moves the lists, such as "something lighter, no horror", or the
                result of :meth:`parse_wish`. What was understood of a sentence is printed to
                stderr.
            profiles: what people wrote into their profiles moves their lists, too; where a wish
                contradicts it, the wish counts.
            frame: ``polars`` or ``pandas``; None: the kind of the data set's frames.

        Returns:
            Rows ``user``, ``rank`` (from 1), ``item``, ``title``, ``score`` (larger is better;
            comparable within a list). With a wish or profiles also ``wish``: the terms that the
            item matches.

        Raises:
            UserError: an id is unknown, no item is left for a user, the method does not rank,
                nothing of the wish was understood, or there are ``users`` and no data set.
        """
        if users is not None and histories is not None:
            raise UserError("recommend: expected users or histories, got both; name one")
        if k < 1:
            raise input_error("recommend: k", "at least 1", str(k), "set k to at least 1")
        kind = self._kind(frame)
        ids = self.catalog.ids
        if histories is None:
            requests = Requests.of_users(users, self._data("users=[...]").corpus)
        else:
            requests = Requests.of_histories(histories, ids)
        if LISTS not in self.method.capabilities:
            raise UserError(
                f"recommend: expected a method that ranks items, got a {self.method.kind}; "
                "use another model"
            )
        exclude = self.serving.exclude_seen if exclude_seen is None else exclude_seen
        allowed = allowed_of(requests, ids, candidates, allow, deny)
        if isinstance(wish, str):
            print(wish := self.parse_wish(wish), file=sys.stderr)
        from .ranking import Wishes, ranked_frame

        how = (k, allowed, Wishes(wish, profiles))
        ranked = ranked_frame(self.predictor, self.catalog, requests, *how, exclude_seen=exclude)
        return to_kind(ranked, kind)

    def parse_wish(self, text: str, vectors: str | Path | None = None) -> Wish:
        """What a sentence asks for, by the attributes of the model's items.

        Args:
            text: such as "something lighter, no horror".
            vectors: a folder of stored vectors of the items' texts, for words that name no value;
                None: such words must stand in titles.

        Returns:
            The wish, for :meth:`recommend`; printed, it shows each term, and the words that were
            not understood.

        Raises:
            UserError: nothing was understood.
        """
        from p5rec.tasks.wishes.parse import parse_wish

        similarity = None
        if vectors is not None:
            from p5rec.recommend.steering.similar import text_similarity

            similarity = text_similarity(Path(vectors).expanduser(), self.vocabulary.catalog)
        return parse_wish(text, self.vocabulary, similarity)

    def predict_rating(self, pairs: Frame, frame: Kind | None = None) -> Frame:
        """Predicts users' ratings of items, on the data's scale.

        Args:
            pairs: columns ``user`` and ``item``; the items may be new to the users.
            frame: ``polars`` or ``pandas``; None: the kind of ``pairs``.

        Returns:
            Rows ``user``, ``item``, ``title``, ``rating``, in the order of ``pairs``.

        Raises:
            UserError: an id is unknown, or the method does not predict ratings.
        """
        return self._of_pairs(["ratings"], pairs, frame)

    def predict_click(self, pairs: Frame, frame: Kind | None = None) -> Frame:
        """Predicts the probability of clicks; arguments as those of :meth:`predict_rating`.

        Returns:
            Rows ``user``, ``item``, ``title``, ``click`` (0 to 1).

        Raises:
            UserError: an id is unknown, or the method does not predict clicks.
        """
        return self._of_pairs(["clicks"], pairs, frame)

    def explain(self, pairs: Frame, frame: Kind | None = None) -> Frame:
        """Explains in words why items suit users; arguments as those of :meth:`predict_rating`.

        Returns:
            Rows ``user``, ``item``, ``title``, ``explanation``.

        Raises:
            UserError: an id is unknown, or the method does not explain.
        """
        return self._of_pairs(["explanations"], pairs, frame)

    def predict(
        self,
        pairs: Frame,
        what: Sequence[str] = ("ratings", "clicks", "explanations"),
        k: int = 10,
        frame: Kind | None = None,
    ) -> Frame:
        """Several predictions for each pair; arguments as those of :meth:`predict_rating`.

        A language model that was trained with ``train.shared_history`` reads the history of a user
        once for all of them.

        Args:
            what: of ``ratings``, ``clicks``, ``explanations`` and ``lists``.
            k: length of the lists.

        Returns:
            Rows ``user``, ``item``, ``title``, and a column for each of ``what``: ``rating``,
            ``click``, ``explanation``, ``list`` (ids of the best items, those new to the user).

        Raises:
            UserError: an id is unknown, or the method does not predict one of them.
        """
        return self._of_pairs(what, pairs, frame, k)

    def save(self, folder: str | Path) -> None:
        """Writes the model to ``folder``, atomically, for :func:`load`.

        Args:
            folder: a new folder, or that of a saved model, which is replaced.

        Raises:
            UserError: the folder has other content or is not writable, the model's codes are
                extended, or the disk is full.
        """
        if self.ids is not None:
            got, todo = f"one with those in {self.ids}", "keep that folder beside the model's"
            raise input_error("save", "a model without extended codes", got, todo)
        out = Path(folder).expanduser()
        if out.exists() and not is_fitted(out) and not (out.is_dir() and not any(out.iterdir())):
            raise input_error(
                out, "a new folder, or a saved model's", "another one", "name a new one"
            )
        with writing(out), TemporaryDirectory() as work:
            settings = {SERVING: self.serving, PROVENANCE: self.provenance, NEWS: self.news}
            written = {name: each for name, each in settings.items() if each is not None}
            for name, each in written.items():
                write_json(Path(work) / name, each.dump())
            files = self.files() | {name: Path(work) / name for name in written}
            publish_outputs({out.name: files}, out.parent)

    def refit(
        self,
        dataset: Dataset | None = None,
        *,
        store: str | Path | None = None,
        verbose: bool = True,
    ) -> Model:
        """Fits the same method, as selected on validation, to all events without a split.

        Args:
            dataset: the data set, whose split is ignored; None: the model's own.
            store: the cache folder; None: the command line's.
            verbose: print a line for each stage, and progress bars.

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
        """Updates the model with the new events of a log.

        Semantic ids of old items stay; new items get free ids. A language model and SASRec continue
        from their weights, trained on the users with new events and as many others; other methods
        are fitted from scratch. The weights of a fusion stay. ``provenance`` and ``news`` of the
        result describe the update.

        Args:
            dataset: the complete log, with old and new events; its split is ignored.
            share: share of the epochs of a complete training; None: 0.2.
            store, verbose: as those of :meth:`refit`.

        Raises:
            UserError: no event is new, the data lack what the method needs, or the method cannot
                be updated.
        """
        from p5rec.pipeline.production import SHARE, update

        epochs_share = SHARE if share is None else share
        work = partial(update, self._chosen(dataset), share=epochs_share)
        return self._renewed(work, dataset, store, verbose=verbose)

    def _chosen(self, data: Dataset) -> Any:
        from p5rec.pipeline.production import SourceModel

        from .dataset import data_set

        data = data_set(data, "refit and update")
        return SourceModel.of(self.folder, self.provenance, self.serving.fit_seed, data.config.seed)

    def _renewed(
        self,
        make: Callable[..., Any],
        data: Dataset,
        store: str | Path | None,
        *,
        verbose: bool,
    ) -> Model:
        everything = data.of_all_events()
        with nullcontext() if verbose else no_progress_bars():
            result = make(prepared=everything.prepared(store, verbose=verbose))
        serving = self.serving.model_copy(update={"fit_seed": result.fitted.seed})
        fitted = result.fitted
        renewed = Model(fitted.folder, fitted.method, serving, everything, fitted)
        return replace(renewed, provenance=result.provenance, news=result.news)

    def files(self) -> dict[str, Path]:
        """The files and folders in its folder, by name."""
        return {path.name: path for path in self.folder.iterdir()}

    @property
    def lineage(self) -> Lineage | None:
        """The events that it was fitted to; None: unknown."""
        return Lineage.read(self.folder) if (self.folder / LINEAGE).is_file() else None

    @property
    def items(self) -> Frame:
        """The items that it ranks: rows ``item``, ``title``."""
        columns = {"item": self.catalog.ids, "title": self.catalog.titles}
        return to_kind(pl.DataFrame(columns), self._kind(None))

    def describe(self) -> dict[str, Any]:
        """Its kind, settings, capabilities, tasks, items, events seen, and facts of its fit."""
        lineage = self.lineage
        return {
            "kind": self.method.kind,
            "settings": self.method.dump(),
            "serving": self.serving.dump(),
            "capabilities": list(self.method.capabilities),
            "tasks": list(self.method.tasks),
            "items": len(self.catalog),
            "events_seen": None if lineage is None else len(lineage.events),
            **({} if self.provenance is None else {"provenance": self.provenance.facts()}),
            **({} if self.fitted is None else self.fitted.about),
        }

    def __repr__(self) -> str:
        return f"Model({self.method.kind}, {len(self.catalog):,} items)"

    def predictor(self, k: int | None = None) -> Any:
        """The predictor (:mod:`p5rec.methods.predictors`) for lists of ``k``; it stays loaded."""
        method = self.method.overridden(self.folder, {"k": k})
        if self._opened is None:
            with uncollected():
                self._opened = method, method.open_predictor(self.folder, self.ids, download=True)
        before, predictor = self._opened
        if before != method:
            self._opened = method, method.reopen_predictor(predictor, self.folder)
        return self._opened[1]

    @cached_property
    def catalog(self) -> Catalog:
        """The items that it ranks, in the order of their row numbers."""
        if self.ids is not None and self.dataset is not None:
            return self.dataset.corpus.catalog
        return read_catalog(self.folder)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The values of its items' attributes."""
        from p5rec.tasks.wishes.vocabulary import Vocabulary

        return Vocabulary(self.dataset.corpus.catalog if self.dataset else self.catalog)

    def _kind(self, frame: Kind | None) -> Kind:
        return frame or (self.dataset.kind if self.dataset else "polars")

    def _data(self, what: str) -> Dataset:
        if self.dataset is None:
            raise input_error(
                what, "a model with a data set", "one without",
                "pass histories=[[...]], or load it with p5rec.load(folder, dataset)",
            )  # fmt: skip
        return self.dataset

    def _of_pairs(self, what: Sequence[str], pairs: Frame, frame: Kind | None, k: int = 1) -> Frame:
        from p5rec.methods.pairs import pair_frame, pair_predictors

        corpus = self._data("pairs").corpus
        users, items = pairs_of(pairs, corpus)
        predict = pair_predictors(self.method, self.predictor(), corpus, what, k)
        predicted = pair_frame(predict(users, items), corpus, users, items)
        return to_kind(predicted, frame or kind_of(pairs))
