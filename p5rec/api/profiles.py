"""Profiles of users with an interface in external ids."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from p5rec.recommend.people.edits import EditStore
from p5rec.recommend.people.facts import Fact
from p5rec.recommend.people.feedback import FeedbackStore
from p5rec.recommend.people.folder import people_folder
from p5rec.recommend.people.profile import ProfileBook
from p5rec.tasks.wishes.vocabulary import Vocabulary
from p5rec.tasks.wishes.wish import Term, Wish

from .dataset import Dataset
from .frames import Frame, column_names, to_kind, to_polars
from .queries import rows_of

COLUMNS = ("fact", "text", "source", "items")  # of a profile


class Profiles:
    """What is known about users, in plain language, and what they wrote about themselves.

    Facts from events are found again at each call. Sentences that a person writes are stored beside
    the run, and move the person's lists (``Model.recommend(profiles=...)``).

    Feedback is stored there, too.

    Args:
        dataset: the data, whose items have attributes.
        folder: of the run or the model; the sentences are in a folder beside it.
    """

    def __init__(self, dataset: Dataset, folder: str | Path) -> None:
        self.dataset = dataset
        self.folder = people_folder(folder)
        self.feedback = FeedbackStore(self.folder)

    def of(self, user: object) -> Frame:
        """The profile of a user: rows ``fact`` (its id), ``text``, ``source``, ``items``.

        ``source`` is ``person`` or ``events``, and ``items`` are those of the events that the fact
        comes from, oldest first.

        Raises:
            UserError: the user is unknown.
        """
        return self._frame(self._book.of(self._row(user)))

    def find(self, user: object, query: str, n: int = 3) -> Frame:
        """The ``n`` facts of a user nearest to a sentence, such as the last turn of a dialogue."""
        return self._frame(self._book.find(self._row(user), query, n))

    def add(self, user: object, text: str) -> Wish:
        """Writes a sentence such as "no horror" into a profile; returns what was understood.

        Raises:
            UserError: the user is unknown, or nothing was understood.
        """
        return self._book.add(self._row(user), text)[1]

    def edit(self, user: object, fact: str, text: str) -> Wish:
        """Replaces a fact, by its id, by a sentence; returns what was understood.

        Raises:
            UserError: the user or the fact is unknown, or nothing was understood.
        """
        return self._book.edit(self._row(user), fact, text)[1]

    def delete(self, user: object, fact: str) -> None:
        """Deletes a fact by its id. A fact from events is not shown again.

        Raises:
            UserError: the user or the fact is unknown.
        """
        self._book.delete(self._row(user), fact)

    def events_with_feedback(self) -> Frame:
        """The events of the data and, after them, those that people reported: the log of an update.

        Columns ``user``, ``item``, ``time`` and, if the data have ratings, ``rating``.
        """
        frame = self.dataset.events
        wanted = ("user", "item", "time", "rating")
        columns = [name for name in column_names(frame, "events") if name in wanted]
        own = to_polars(frame, "events", columns).select(columns)
        told = self.feedback.read()
        if own.schema["time"].is_temporal():
            told = told.with_columns(pl.from_epoch("time", "s"))
        both = pl.concat([own, told.select(columns).cast(own.schema)])
        return to_kind(both, self.dataset.kind)

    def terms(self, user: str) -> tuple[Term, ...]:
        """What a person wrote, as terms; none for a user without a profile."""
        return tuple(term for fact in self._book.written(user) for term in fact.terms)

    @cached_property
    def _book(self) -> ProfileBook:
        corpus = self.dataset.corpus
        return ProfileBook(corpus, Vocabulary(corpus.catalog), EditStore(self.folder))

    def _row(self, user: object) -> int:
        return int(rows_of([user], self.dataset.corpus.user_ids, "user", "user")[0])

    def _frame(self, facts: list[Fact]) -> Frame:
        corpus = self.dataset.corpus
        items = corpus.interactions.items
        rows = {
            "fact": [fact.id for fact in facts],
            "text": [fact.text for fact in facts],
            "source": [fact.source for fact in facts],
            "items": [[corpus.catalog.ids[row] for row in items[f.events]] for f in facts],
        }
        schema: dict[str, Any] = {
            "fact": pl.String, "text": pl.String, "source": pl.String,
            "items": pl.List(pl.String),
        }  # fmt: skip
        return to_kind(pl.DataFrame(rows, schema=schema), self.dataset.kind)
