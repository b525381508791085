"""What a task is: which rows it asks about, what a record of one offers, and how it is answered.

A template's source may use a task's *given* fields alone and its target the *answers* alone, so
no wording can put the answer into the question. The user's external id is no field of any task.
A task is added in a file of its own and a line of :mod:`.registry`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from p5rec.core.rng import derive_seed

from .draft import Limits
from .fields import DATA, FIELDS, Record
from .predictions import Predictions
from .view import CorpusView

Rows = Callable[[CorpusView, str], np.ndarray]
Build = Callable[[CorpusView, int, np.random.Generator, Limits], Record]
Further = Callable[[CorpusView, int, np.random.Generator, Limits], Record | None]


@dataclass(frozen=True)
class Task:
    """One kind of question.

    Attributes:
        name: as it is called in prompt files, ``evaluate.prompts`` and reports.
        predictions: the type of its answers.
        capability: what a fitted method must be able to do to be asked (see
            ``p5rec.methods.predictors``). Of ``recommend``, lists for all users are the answers.
        metrics: that stand for it in a report; the first sorts.
        rows: ``(view, part) → (R,)`` the event rows (item rows where ``of_items``) to pose.
        build: the record of one of them.
        given, answers: fields a source, and a target, may use. No prompt can pose a task that
            gives nothing. The first answer is the expected one.
        references: baselines that are measured beside whoever is asked: kinds of methods.
        needs: groups of data; the corpus must hold one of each group.
        of_items: posed about items, not events.
        further: the record of a second question about the same row, None where there is none; it
            is asked of fitted methods.
    """

    name: str
    predictions: type[Predictions]
    capability: str
    metrics: tuple[str, ...]
    rows: Rows
    build: Build
    given: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    needs: tuple[tuple[str, ...], ...] = ()
    of_items: bool = False
    further: Further | None = None

    @property
    def answer(self) -> str:
        """The kind of its answers, as a prompt file names it."""
        kind: str = self.predictions.model_fields["kind"].default
        return kind

    def absent(self, view: CorpusView) -> frozenset[str]:
        """The fields that the corpus cannot offer."""
        offered = (*self.given, *self.answers)
        return frozenset(n for n in offered if FIELDS[n].needs and FIELDS[n].needs not in view.has)

    def keys(self, view: CorpusView) -> np.ndarray:
        """The keys of all events, ``(E,)``, or of all items, ``(N,)``: of every row there is."""
        log = view.corpus.interactions
        return log.item_keys if self.of_items else log.event_keys

    def unavailable(self, view: CorpusView, split_name: str = "train") -> str | None:
        """Why the task cannot be posed over this corpus, None where it can."""
        for group in self.needs:
            if not view.has.intersection(group):
                wanted = " or ".join(DATA[d] for d in group)
                return f"{self.name} needs {wanted}, and the data have none"
        if not len(self.rows(view, split_name)):
            return (
                f"{self.name}: no {'item' if self.of_items else f'{split_name} event'} can be posed"
            )
        return None

    def seed(self, view: CorpusView, row: int, seed: int) -> int:
        """What is drawn for the question about a held-out row, whoever is asked."""
        return derive_seed(seed, "evaluate", self.name, int(self.keys(view)[row]))

    def records(self, view: CorpusView, row: int, seed: int, limits: Limits) -> Iterator[Record]:
        """The records of all questions about a held-out row; draws follow ``seed`` and its key."""
        rng = np.random.default_rng(self.seed(view, row, seed))
        yield self.build(view, row, rng, limits)
        if self.further is not None and (other := self.further(view, row, rng, limits)):
            yield other
