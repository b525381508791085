"""The definition of a task: its rows, its record fields, and the type of its predictions.

The source of a prompt template may use the task's *source fields* alone, and its target the *target
fields* alone, so no template can leak the target into the prompt. The user's external id is a field
of no task. A new task needs one file and one line in :mod:`.registry`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from p5rec.core.rng import derive_seed

from .fields import DATA, FIELDS, Record
from .predictions import Predictions
from .record_builder import Limits
from .view import CorpusView

Rows = Callable[[CorpusView, str], np.ndarray]
Build = Callable[[CorpusView, int, np.random.Generator, Limits], Record]
Query = Callable[[CorpusView, np.ndarray, int], Predictions]


def no_record(view: CorpusView, row: int, rng: np.random.Generator, limits: Limits) -> Record:
    """The ``build`` of a task that has no prompts and makes its queries without records."""
    raise ValueError("expected a task with records, got one that makes its queries without them")


@dataclass(frozen=True)
class Task:
    """One prediction task.

    Attributes:
        name: name in prompt files, ``evaluate.prompts`` and reports.
        predictions: type of the predictions.
        capability: capability that a fitted method needs for the task (see
            ``p5rec.methods.predictors``). With ``recommend``, the predictions are ranked lists for
            all users. "": no method predicts the task.
        metrics: main metrics in a report; tables are sorted by the first.
        rows: ``(view, split_name) → (R,)`` the rows of a split that are queried: event rows, or
            what ``of`` says.
        build: builds the record of one row.
        query: ``(view, rows (R,), seed) → `` the queries about the rows at once, where they need no
            records; None makes one query from the record of each row.
        source_fields, target_fields: fields that the source and the target of a template may use.
            A task without source fields has no prompts. The first target field is the target.
        references: kinds of baseline methods that are evaluated on the same queries.
        needs: groups of data; the corpus must have at least one entry of each group.
        of: what the rows are: ``events``, ``items`` or ``users``.
        open_ended: the data have no targets. Texts are written for items or users, and nothing is
            trained or evaluated; there are no :attr:`rows`.
        all_earlier: the history of a held-out event has every event of an earlier moment, as in
            production; otherwise it has events of earlier splits alone.
    """

    name: str
    predictions: type[Predictions]
    capability: str
    metrics: tuple[str, ...]
    rows: Rows
    build: Build = no_record
    query: Query | None = None
    source_fields: tuple[str, ...] = ()
    target_fields: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    needs: tuple[tuple[str, ...], ...] = ()
    of: Literal["events", "items", "users"] = "events"
    open_ended: bool = False
    all_earlier: bool = False

    @property
    def target_type(self) -> str:
        """The type of the target, as prompt files name it."""
        kind: str = self.predictions.model_fields["kind"].default
        return kind

    def absent(self, view: CorpusView) -> frozenset[str]:
        """The fields that the corpus cannot fill."""
        names = (*self.source_fields, *self.target_fields)
        return frozenset(n for n in names if FIELDS[n].needs and FIELDS[n].needs not in view.has)

    def keys(self, view: CorpusView) -> np.ndarray:
        """The keys of all events ``(E,)``, items ``(N,)`` or users ``(U,)``."""
        log = view.corpus.interactions
        match self.of:
            case "items":
                return log.item_keys
            case "users":
                return log.user_keys
        return log.event_keys

    def unavailable(self, view: CorpusView, split_name: str = "train") -> str | None:
        """The reason why the corpus has no queries for this task, or None."""
        if self.open_ended:
            return f"{self.name}: no data have targets of this task; write texts with it (texts:)"
        for group in self.needs:
            if not view.has.intersection(group):
                wanted = " or ".join(DATA[d] for d in group)
                return f"{self.name} needs {wanted}, and the data have none"
        if not len(self.rows(view, split_name)):
            kind = "item" if self.of == "items" else f"{split_name} event"
            return f"{self.name}: no {kind} fits the task"
        return None

    def seed(self, view: CorpusView, row: int, seed: int) -> int:
        """The seed of the query about a held-out row; it is the same for every method."""
        return derive_seed(seed, "evaluate", self.name, int(self.keys(view)[row]))

    def queries(self, view: CorpusView, rows: np.ndarray, seed: int, limits: Limits) -> Predictions:
        """The queries about held-out ``rows (R,)``, each seeded by ``seed`` and the row's key."""
        if self.query is not None:
            return self.query(view, rows, seed)
        records = [
            self.build(view, row, np.random.default_rng(self.seed(view, row, seed)), limits)
            for row in rows.tolist()
        ]
        return self.predictions.of(self.name, self.target_fields[0], records, limits)
