"""The tools of a served model: lists, reasons, feedback, profiles, and those of its catalogue."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from p5rec.api.dataset import Dataset
from p5rec.api.frames import Frame, to_polars
from p5rec.api.model import Model
from p5rec.api.profiles import COLUMNS, Profiles
from p5rec.core.errors import UserError, input_error
from p5rec.recommend.tools.calculator import calculator
from p5rec.recommend.tools.catalog import CatalogTools
from p5rec.recommend.tools.tool import Rows, Tool, Toolbox

from .arguments import (
    EditProfileArguments,
    ExplainArguments,
    FeedbackArguments,
    ReadProfileArguments,
    RecommendArguments,
    Whose,
)
from .reasons import reasons


class ServedModel:
    """A model with its data, and what people tell it.

    Args:
        model: loaded with its data set; it must rank.
    """

    def __init__(self, model: Model, dataset: Dataset) -> None:
        self.model, self.dataset = model, dataset
        self.profiles = Profiles(dataset, model.folder)
        self.feedback = self.profiles.feedback

    @cached_property
    def toolbox(self) -> Toolbox:
        """All tools."""
        return Toolbox(
            [
                *self._catalog.all(),
                calculator(),
                Tool(
                    "recommend_items",
                    "Ranks items for a user or a history; a wish in words moves the list.",
                    RecommendArguments,
                    self._recommend,
                ),
                Tool(
                    "explain_recommendation",
                    "Says what an item shares with a history; each statement names its items.",
                    ExplainArguments,
                    self._explain,
                ),
                Tool(
                    "record_feedback",
                    "Stores that a user chose or rated an item, for lists and the next update.",
                    FeedbackArguments,
                    self._record,
                    writes=True,
                ),
                Tool(
                    "get_profile",
                    "Returns what is known about a user in plain language, with its items.",
                    ReadProfileArguments,
                    self._profile,
                ),
                Tool(
                    "edit_profile",
                    "Adds, replaces or deletes a fact of a profile, which moves the user's lists.",
                    EditProfileArguments,
                    self._edit,
                    writes=True,
                ),
            ]
        )

    def _recommend(self, arguments: RecommendArguments) -> Rows:
        name, history = self._history(arguments)
        candidates = None
        if arguments.where is not None:
            ids = self.model.catalog.ids
            candidates = [ids[row] for row in self._catalog.where(arguments.where)]
        settings: dict[str, Any] = {
            "k": arguments.k,
            "candidates": candidates,
            "deny": {name: arguments.deny} if arguments.deny else None,
            "wish": None if arguments.wish is None else self.model.parse_wish(arguments.wish),
            "profiles": self._own_profile(name),
            "frame": "polars",
        }
        wish = settings["wish"]
        if self._is_as_in_data(arguments):
            lists = self.model.recommend(users=[name], **settings)
        else:
            lists = self.model.recommend(histories={name: history}, **settings)
        rows = lists.drop("user").to_dicts()
        return [{**row, "understood": str(wish)} for row in rows] if wish else rows

    def _explain(self, arguments: ExplainArguments) -> Rows:
        (item,) = self._catalog.rows([arguments.item])
        history = np.array(self._catalog.rows(self._history(arguments)[1]), dtype=np.int64)
        return reasons(self.model.vocabulary, item, history)

    def _record(self, arguments: FeedbackArguments) -> Rows:
        self._catalog.rows([arguments.item])
        self._check_rating(arguments.rating)
        now = int(time.time())
        self.feedback.append(arguments.user, arguments.item, now, arguments.rating)
        return [{"user": arguments.user, "item": arguments.item, "time": now}]

    def _profile(self, arguments: ReadProfileArguments) -> Rows:
        if arguments.query is None:
            found = self.profiles.of(arguments.user)
        else:
            found = self.profiles.find(arguments.user, arguments.query)
        return _rows(found)

    def _edit(self, arguments: EditProfileArguments) -> Rows:
        understood = ""
        if arguments.action == "delete":
            self.profiles.delete(arguments.user, str(arguments.fact))
        elif arguments.action == "add":
            understood = str(self.profiles.add(arguments.user, str(arguments.text)))
        else:
            wish = self.profiles.edit(arguments.user, str(arguments.fact), str(arguments.text))
            understood = str(wish)
        after = _rows(self.profiles.of(arguments.user))
        return [{**row, "understood": understood} for row in after]

    def _history(self, whose: Whose) -> tuple[str, Sequence[str]]:
        """The name and the items of a request: those of the data, then those of feedback.

        Raises:
            UserError: a user has neither.
        """
        if whose.history is not None:
            return "history", whose.history
        user, corpus = str(whose.user), self.dataset.corpus
        told = self._told(user)
        if user not in self._row_of:
            if not told:
                got = f"{user!r}, who has no events and no feedback"
                raise input_error("user", "a user of the data", got, "pass a history")
            return user, told
        row, log = self._row_of[user], corpus.interactions
        items = log.items[log.offsets[row] : log.offsets[row + 1]]
        return user, [*(corpus.catalog.ids[item] for item in items), *told]

    def _is_as_in_data(self, whose: Whose) -> bool:
        """Whether the history is that of a user of the data, without feedback."""
        return whose.user is not None and not self._told(whose.user)

    def _told(self, user: str) -> list[str]:
        """The items of a user's feedback that the model knows, oldest first."""
        table = self.feedback.read()
        return [item for item in table.filter(table["user"] == user)["item"] if item in self._known]

    def _own_profile(self, name: str) -> Profiles | None:
        return self.profiles if self.profiles.terms(name) else None

    def _check_rating(self, rating: float | None) -> None:
        """
        Raises:
            UserError: the data have no ratings, or the rating is beyond their scale.
        """
        if rating is None:
            return
        ratings = self.dataset.corpus.interactions.ratings
        if ratings is None:
            raise UserError("rating: expected none, as the data have no ratings; leave it out")
        low, high = float(np.nanmin(ratings)), float(np.nanmax(ratings))
        if not low <= rating <= high:
            raise input_error("rating", f"{low:g} to {high:g}", f"{rating:g}", "use this scale")

    @cached_property
    def _catalog(self) -> CatalogTools:
        return CatalogTools(self.dataset.corpus.catalog)

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.model.catalog.ids)

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.dataset.corpus.user_ids)}


def _rows(profile: Frame) -> Rows:
    return to_polars(profile, "profile", COLUMNS).to_dicts()
