"""The arguments of the tools of a served model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from p5rec.core.config import Config
from p5rec.recommend.tools.catalog import MOST

LONGEST = 1_000  # items of a history, characters of a sentence


class Whose(Config):
    """A user of the data, or a history."""

    user: str | None = None
    """The id of a user of the data. Their feedback counts as part of their history."""
    history: list[str] | None = Field(default=None, max_length=LONGEST)
    """In place of a user: ids of items, oldest first."""

    @model_validator(mode="after")
    def _one(self) -> Whose:
        if (self.user is None) == (self.history is None):
            raise ValueError("expected user or history, and not both")
        return self


class RecommendArguments(Whose):
    """The arguments of ``recommend_items``."""

    k: int = Field(10, ge=1, le=MOST)
    """Length of the list."""
    wish: str | None = Field(default=None, max_length=LONGEST)
    """A sentence that moves the list: "something lighter, no horror"."""
    where: str | None = None
    """A SQL condition on the items' attributes; no other item is listed."""
    deny: list[str] = Field(default=[], max_length=LONGEST)
    """Ids of items that are not listed."""


class ExplainArguments(Whose):
    """The arguments of ``explain_recommendation``."""

    item: str
    """The id of the item to explain."""


class FeedbackArguments(Config):
    """The arguments of ``record_feedback``."""

    user: str = Field(min_length=1, max_length=200)
    """The id of the user, who may be new."""
    item: str
    """The id of an item."""
    rating: float | None = None
    """A rating on the data's scale; null: none."""


class ReadProfileArguments(Config):
    """The arguments of ``get_profile``."""

    user: str
    """The id of a user of the data."""
    query: str | None = Field(default=None, max_length=LONGEST)
    """A sentence: only the facts nearest to it are returned."""


class EditProfileArguments(Config):
    """The arguments of ``edit_profile``."""

    user: str
    """The id of a user of the data."""
    action: Literal["add", "replace", "delete"]
    """What to do."""
    fact: str | None = None
    """The id of the fact that is replaced or deleted."""
    text: str | None = Field(default=None, max_length=LONGEST)
    """The sentence that is added, or takes the fact's place: "no horror"."""

    @model_validator(mode="after")
    def _complete(self) -> EditProfileArguments:
        if (self.fact is None) != (self.action == "add"):
            raise ValueError("expected a fact with replace and delete, and none with add")
        if (self.text is None) != (self.action == "delete"):
            raise ValueError("expected a text with add and replace, and none with delete")
        return self
