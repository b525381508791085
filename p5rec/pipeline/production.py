"""Models for production: selected settings refitted to all events, and updates of a model with new
events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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

from .fitting import fit_method
from .ids import build_ids, extend_ids
from .method_runs import ALONE, RunContext
from .prepared import Prepared

SHARE = 0.2  # epochs of an update, as a share of a full training
CODES = "codes"  # the subfolder of a model's folder with its codes


@dataclass(frozen=True)
class SourceModel:
    """A fitted model to refit or update.

    Attributes:
        folder: a complete model folder.
        method: its selected settings.
        nth: the number of its seed.
        provenance: how it was derived from a predecessor; None: from a run with validation.
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
            folder: a complete model folder.
            provenance: of the model.
            fit_seed: of its fit.
            split_seed: of its data.

        Raises:
            UserError: the folder holds no model, or does not record the selected settings.
        """
        saved = read_method(folder)
        method = saved.as_chosen(folder) if provenance is None else provenance.method
        return cls(folder, method, fit_seed - saved.first_seed(split_seed), provenance)

    @property
    def ids(self) -> IdsConfig | None:
        """The config of its semantic ids; None: it has none.

        Raises:
            UserError: its folder does not record it.
        """
        if self.method.semantic_ids is None:
            return None
        path = self.folder / CODES / IDS
        if not path.is_file():
            raise input_error(
                path, "the config of the semantic ids", "nothing there",
                "refit a model whose ids were built by a recipe or by fit()",
            )  # fmt: skip
        return bind(IdsConfig, read_json(path), {}, path).reseeded(-self.nth)

    def views(
        self, original: Callable[[], Prepared], methods: Mapping[str, Any]
    ) -> dict[str, Method]:
        """View → the method with selected settings whose item vectors its semantic ids use.

        Args:
            original: returns the data that it was fitted to; called if there are views.
            methods: sections of a recipe that ids may name.
        """
        if self.ids is None:
            return {}
        views = view_methods({CODES: self.ids}, methods)[CODES]
        runs = {n: fit_method(view, original(), first=self.nth)[0] for n, view in views.items()}
        return {name: run.method.as_chosen(run.folder) for name, run in runs.items()}


@dataclass(frozen=True)
class RenewedModel:
    """A model that was refitted or updated.

    Attributes:
        fitted: the model.
        provenance: how it was derived.
        news: new users and items.
    """

    fitted: Fitted
    provenance: Provenance
    news: News


def refit(
    chosen: SourceModel,
    prepared: Prepared,
    views: Mapping[str, Method],
    among: RunContext = ALONE,
) -> RenewedModel:
    """Fits the selected settings to all training events of ``prepared``.

    Args:
        chosen: the model with the settings.
        prepared: the data.
        views: see :meth:`Chosen.views`.
        among: refitted models that the method may be initialised from; stored texts and vectors.

    Raises:
        UserError: the data do not meet the method's requirements, or the model to initialise from
            is missing.
    """
    method = chosen.method
    start = method.starts_from
    if start is not None and start not in among.methods and not is_fitted(Path(start)):
        raise input_error(
            "refit", "a method without start, or with a model's folder as start",
            f"one with start {start!r}", "refit it from its run's folder (p5rec refit)",
        )  # fmt: skip
    _check(method, prepared.corpus)
    ids = {}
    if (config := chosen.ids) is not None:
        ids[str(method.semantic_ids)] = build_ids(config, views, prepared, first=chosen.nth)
    (fitted,) = fit_method(method, prepared, replace(among, ids=ids), first=chosen.nth)
    return _renewed("refit", chosen, fitted, prepared.corpus)


def update(
    chosen: SourceModel, prepared: Prepared, share: float = SHARE, among: RunContext = ALONE
) -> RenewedModel:
    """Updates the model ``chosen`` with the training events of ``prepared``.

    Old items keep their semantic ids; new items get the nearest unused ids. Networks continue from
    their weights, on users with new events and as many other users. Other methods are fitted from
    scratch. A fusion keeps its weights.

    Args:
        chosen: the model to update.
        prepared: the full log, with old and new events.
        share: epochs, as a share of a full training.
        among: stored texts and vectors.

    Raises:
        UserError: no event is new, most of the model's training events are missing, the data do not
            meet the method's requirements, or it cannot be updated.
    """
    if not 0 < share <= 1:
        raise input_error("update: share", "a share above 0, at most 1", str(share), "leave it out")
    known = Lineage.read(chosen.folder)
    log, train = prepared.corpus.interactions, prepared.corpus.split.mask("train")
    if known.contains(log.event_keys[train]).all():
        raise input_error(
            "update", "events that the model was not trained on", f"none among {train.sum():,}",
            "pass the current log; if only the catalogue changed, refit the model",
        )  # fmt: skip
    if (old := len(known.events) - _gone(known, prepared.corpus)) < len(known.events) / 2:
        raise input_error(
            "update", "the full current log, with old and new events",
            f"one with {old:,} of the {len(known.events):,} events of the model's training",
            "add them (with unchanged users, items and times), or refit the model",
        )  # fmt: skip
    method = chosen.method.continue_from(chosen.folder, share)
    _check(method, prepared.corpus)
    ids = {}
    if method.semantic_ids is not None:
        ids[method.semantic_ids] = [extend_ids(chosen.folder / CODES, prepared)]
    (fitted,) = fit_method(method, prepared, replace(among, ids=ids), first=chosen.nth)
    return _renewed("update", chosen, fitted, prepared.corpus)


def _gone(known: Lineage, corpus: Corpus) -> int:
    """The number of ``known`` events that are not in the log."""
    return int((~np.isin(known.events, corpus.interactions.event_keys)).sum())


def _check(method: Method, corpus: Corpus) -> None:
    if errors := list(method.check_data(corpus, ())):
        raise UserError(*errors)


def _renewed(
    operation: Literal["refit", "update"], chosen: SourceModel, fitted: Fitted, corpus: Corpus
) -> RenewedModel:
    known, seen = Lineage.read(chosen.folder), Lineage.read(fitted.folder)
    before, news = chosen.provenance, _news(chosen.folder, known, corpus)
    earlier = () if before is None else (*before.earlier, _summary(before))
    provenance = Provenance(
        operation=operation,
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


def _summary(provenance: Provenance) -> dict[str, Any]:
    return {
        "operation": provenance.operation,
        "at": provenance.at,
        "events": provenance.events,
    }


def _news(folder: Path, known: Lineage, corpus: Corpus) -> News:
    """New users and items of ``corpus`` for the model in ``folder``.

    Args:
        folder: of the model.
        known: its training events.
        corpus: the data.
    """
    log, listed = corpus.interactions, read_json(folder / ITEMS)["ids"]
    trained = np.bincount(log.users[known.contains(log.event_keys)], minlength=log.n_users) > 0
    names, items, old = corpus.user_ids, corpus.catalog.ids, {*listed}
    now = {*items}
    return News(
        users=tuple(names[row] for row in np.flatnonzero(~trained)),
        items=tuple(item for item in items if item not in old),
        gone=tuple(item for item in listed if item not in now),
    )
