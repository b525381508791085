"""Models for production: what validation chose, fitted to all events; and a model that goes on from
the one before it, over a log that has grown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from p5rec.core.artefacts import Lineage, read_json
from p5rec.core.config import bind
from p5rec.core.errors import UserError, input_error
from p5rec.core.types import Corpus
from p5rec.ids.config import IdsConfig
from p5rec.ids.files import CONFIG as IDS
from p5rec.methods.base import Method
from p5rec.methods.fitted import Fitted
from p5rec.methods.folder import ITEMS, is_fitted, read_method
from p5rec.methods.provenance import News, Provenance
from p5rec.methods.views import view_methods

from .fitting import RunContext, fit_method
from .ids import build_ids, extend_ids
from .prepared import Prepared

SHARE = 0.2  # of the epochs of a whole training that an update takes
CODES = "codes"  # of a model's folder


@dataclass(frozen=True)
class SourceModel:
    """A fitted model that others are made of.

    Attributes:
        folder: a complete one.
        method: nothing of it is left to choose.
        nth: which of the seeds it was fitted under.
        provenance: how it was made of one before; None: validation chose it.
    """

    folder: Path
    method: Method
    nth: int
    provenance: Provenance | None

    @classmethod
    def of(
        cls, folder: Path, provenance: Provenance | None, fit_seed: int, split_seed: int
    ) -> SourceModel:
        """The model in ``folder``.

        Args:
            provenance: its own.
            fit_seed: that of its fit.
            split_seed: that of its data.

        Raises:
            UserError: the folder holds none, or does not say what validation chose.
        """
        saved = read_method(folder)
        method = saved.as_chosen(folder) if provenance is None else provenance.method
        return cls(folder, method, fit_seed - saved.first_seed(split_seed), provenance)

    @property
    def ids(self) -> IdsConfig | None:
        """How its semantic ids were made; None: it has none.

        Raises:
            UserError: its folder does not say so.
        """
        if self.method.semantic_ids is None:
            return None
        path = self.folder / CODES / IDS
        if not path.is_file():
            raise input_error(
                path, "how the semantic ids were made", "nothing there",
                "refit a model whose ids were built by a recipe or by fit()",
            )  # fmt: skip
        return bind(IdsConfig, read_json(path), {}, path).reseeded(-self.nth)

    def views(
        self, original: Callable[[], Prepared], methods: Mapping[str, Any]
    ) -> dict[str, Method]:
        """The methods whose item vectors its semantic ids are made of, as validation chose them.

        Args:
            original: the data that it was fitted to; called where there are such methods.
            methods: sections of a recipe that ids may name.
        """
        if self.ids is None:
            return {}
        views = view_methods({CODES: self.ids}, methods)[CODES]
        runs = {n: fit_method(view, original(), first=self.nth)[0] for n, view in views.items()}
        return {name: run.method.as_chosen(run.folder) for name, run in runs.items()}


@dataclass(frozen=True)
class RenewedModel:
    """A model that was made of another.

    Attributes:
        fitted: the model.
        provenance, news: of it.
    """

    fitted: Fitted
    provenance: Provenance
    news: News


def refit(
    chosen: SourceModel,
    prepared: Prepared,
    views: Mapping[str, Method],
    starts: Mapping[str, Sequence[Fitted]] | None = None,
) -> RenewedModel:
    """What validation chose, fitted to all training events of ``prepared``.

    Args:
        views: see :meth:`Chosen.views`.
        starts: refitted models that the method may begin from, by name.

    Raises:
        UserError: the data lack what the method needs, or it begins from a model that is not there.
    """
    method, starts = chosen.method, starts or {}
    start = method.starts_from
    if start is not None and start not in starts and not is_fitted(Path(start)):
        raise input_error(
            "refit", "a method that begins from nothing, or from a model's folder",
            f"one that begins from {start!r}", "refit it from its run's folder (p5rec refit)",
        )  # fmt: skip
    _check(method, prepared.corpus)
    ids = {}
    if (config := chosen.ids) is not None:
        ids[str(method.semantic_ids)] = build_ids(config, views, prepared, first=chosen.nth)
    (fitted,) = fit_method(method, prepared, RunContext(ids, starts), first=chosen.nth)
    return _renewed("refit", chosen, fitted, prepared.corpus)


def update(chosen: SourceModel, prepared: Prepared, share: float = SHARE) -> RenewedModel:
    """The model that goes on from ``chosen`` over the training events of ``prepared``.

    Semantic ids of old items stay; new items get the nearest that are free. Networks go on from
    their weights, over the users with events that the model has not seen and as many others; what
    has none is fitted anew. Weights of a fusion stay.

    Args:
        prepared: the whole log, old events and new ones.
        share: of the epochs of a whole training.

    Raises:
        UserError: no event is new, most of the events that the model has seen are not there, the
            data lack what the method needs, or it cannot go on.
    """
    if not 0 < share <= 1:
        raise input_error("update: share", "a share above 0, at most 1", str(share), "leave it out")
    known = Lineage.read(chosen.folder)
    log, train = prepared.corpus.interactions, prepared.corpus.split.mask("train")
    if known.contains(log.event_keys[train]).all():
        raise input_error(
            "update", "events that the model has not seen", f"none among {train.sum():,}",
            "bring the log of today; if only the catalogue changed, refit the model",
        )  # fmt: skip
    if (kept := len(known.events) - _gone(known, prepared.corpus)) < len(known.events) / 2:
        raise input_error(
            "update", "the whole log of today, old events and new ones",
            f"one with {kept:,} of the {len(known.events):,} events that the model has seen",
            "bring them too (their users, items and times as they were), or refit it",
        )  # fmt: skip
    method = chosen.method.continue_from(chosen.folder, share)
    _check(method, prepared.corpus)
    ids = {}
    if method.semantic_ids is not None:
        ids[method.semantic_ids] = [extend_ids(chosen.folder / CODES, prepared)]
    (fitted,) = fit_method(method, prepared, RunContext(ids), first=chosen.nth)
    return _renewed("update", chosen, fitted, prepared.corpus)


def _gone(known: Lineage, corpus: Corpus) -> int:
    """How many of the events ``known`` are not in the log."""
    return int((~np.isin(known.events, corpus.interactions.event_keys)).sum())


def _check(method: Method, corpus: Corpus) -> None:
    if faults := list(method.check_data(corpus, ())):
        raise UserError(*faults)


def _renewed(
    made: Literal["refit", "update"], chosen: SourceModel, fitted: Fitted, corpus: Corpus
) -> RenewedModel:
    known, seen = Lineage.read(chosen.folder), Lineage.read(fitted.folder)
    before, news = chosen.provenance, _news(chosen.folder, known, corpus)
    earlier = () if before is None else (*before.earlier, _in_short(before))
    provenance = Provenance(
        made=made,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        method=chosen.method,
        fitted=fitted.method.fit_facts(),
        events=seen.summary(),
        before=known.summary(),
        new_events=int((~known.contains(seen.events)).sum()),
        gone_events=_gone(known, corpus),
        new_users=len(news.users),
        new_items=len(news.items),
        gone_items=len(news.gone),
        earlier=earlier,
    )
    return RenewedModel(fitted, provenance, news)


def _in_short(made: Provenance) -> dict[str, Any]:
    return {"made": made.made, "at": made.at, "events": made.events}


def _news(folder: Path, known: Lineage, corpus: Corpus) -> News:
    """What the model in ``folder``, which has seen the events ``known``, lacks of ``corpus``."""
    log, listed = corpus.interactions, read_json(folder / ITEMS)["ids"]
    met = np.bincount(log.users[known.contains(log.event_keys)], minlength=log.n_users) > 0
    names, items, old = corpus.user_ids, corpus.catalog.ids, {*listed}
    now = {*items}
    return News(
        users=tuple(names[row] for row in np.flatnonzero(~met)),
        items=tuple(item for item in items if item not in old),
        gone=tuple(item for item in listed if item not in now),
    )
