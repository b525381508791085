"""Every field a record may hold and a prompt name: its kind, the data it needs, and what it holds.

A name means the same in every task. The kind fixes the Python type of the value and how
:mod:`p5rec.prompting.render` writes it; a field whose data a corpus lacks is never offered by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["item", "title", "items", "titles", "items_titled", "number", "text", "choices"]
Answer = Literal["item", "rating", "options", "yesno", "text"]
YES, NO = "yes", "no"  # of a verdict
Value = str | float | tuple[str, ...] | tuple[tuple[str, str], ...]

# data that a corpus may lack → how a message names it
DATA: Mapping[str, str] = {
    "ratings": "ratings in the training events",
    "review": "review texts",
    "summary": "review summaries",
    "attributes": "attributes in the item table",
    "user_attributes": "attributes in the user table",
}


@dataclass(frozen=True)
class Field:
    """One field.

    Attributes:
        kind: the type of its value and how it is written.
        about: what it holds, for the reader.
        needs: the data it is made of (a key of ``DATA``), or "" where every corpus has it.
        gives: what is left out of it where a prompt is too long, from a history's beginning or a
            text's end; "" where it stays as it is. Titles of a list, and a title that an answer
            takes from one, are texts in this.
    """

    kind: Kind
    about: str
    needs: str = ""
    gives: Literal["", "events", "words"] = ""


FIELDS: Mapping[str, Field] = {
    "item": Field("item", "semantic id of the item in question"),
    "title": Field("title", "title of the item in question", gives="words"),
    "attributes": Field(
        "text", "its attributes, as `name: values; ...`", "attributes", gives="words"
    ),
    "user_attributes": Field(
        "text", "the user's, as `name: values; ...`", "user_attributes", gives="words"
    ),
    "history": Field("items", "ids of the user's earlier items, oldest first", gives="events"),
    "history_titles": Field("titles", "their titles", gives="events"),
    "history_both": Field("items_titled", "their ids and titles", gives="events"),
    "last": Field("item", "id of the most recent item in the history"),
    "last_title": Field("title", "its title", gives="words"),
    "rated_titles": Field(
        "titles", "earlier titles, each with the user's rating", "ratings", gives="events"
    ),
    "rated_items": Field(
        "items", "earlier ids, each with the user's rating", "ratings", gives="events"
    ),
    "user_mean": Field("number", "mean of the user's earlier ratings", "ratings"),
    "user_count": Field("number", "how many those are", "ratings"),
    "item_mean": Field("number", "mean of the training ratings others gave the item", "ratings"),
    "item_count": Field("number", "how many those are", "ratings"),
    "lowest": Field("number", "lower end of the rating scale", "ratings"),
    "highest": Field("number", "upper end of the rating scale", "ratings"),
    "stars": Field("number", "the rating this user gave the item, told", "ratings"),
    "liked": Field("items", "ids of earlier items the user liked, in no order", gives="events"),
    "liked_titles": Field("titles", "their titles", gives="events"),
    "liked_both": Field("items_titled", "their ids and titles", gives="events"),
    "taste": Field("text", "attribute values most common among them", "attributes"),
    "candidates": Field("items", "ids of the target and of sampled others, shuffled"),
    "candidate_titles": Field("titles", "their titles", gives="words"),
    "options": Field("choices", "ids and titles of the same, a line each", gives="words"),
    "title_options": Field("choices", "titles of the same, a line each", gives="words"),
    "headline": Field(
        "text", "the summary the user put above the review", "summary", gives="words"
    ),
    "rating": Field("number", "the rating to predict", "ratings"),
    "target": Field("item", "semantic id of the item to name"),
    "target_title": Field("title", "its title", gives="words"),
    "verdict": Field("text", "yes or no"),
    "explanation": Field("text", "why the item suits the user"),
    "review": Field("text", "the user's review of the item", "review", gives="words"),
    "summary": Field("text", "the summary the user put above the review", "summary"),
}

# fields whose text holds semantic ids, which a model that was not trained cannot read
CODED = frozenset(
    {name for name, field in FIELDS.items() if field.kind in ("item", "items", "items_titled")}
    | {"options"}
)


@dataclass(frozen=True)
class Record:
    """The values of one task's fields for one row of data, before any text is made.

    Attributes:
        task: the task that built it.
        values: field → value, given fields and answers alike.
        user, item, event: rows it is about, -1 where none; ``item`` is the item the answer is
            about (the target of a recommendation).
        rating: the number behind a rating task, else None.
        mentions: item rows whose id or text any field holds, the answer's included.
        candidates: item rows offered to choose from, in the order shown.
        labelled: the data say of this event whether it is positive.
    """

    task: str
    values: Mapping[str, Value]
    user: int = -1
    item: int = -1
    event: int = -1
    rating: float | None = None
    mentions: frozenset[int] = frozenset()
    candidates: tuple[int, ...] = ()
    labelled: bool = False
