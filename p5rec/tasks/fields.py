"""All fields of records and prompts: kind, required data and contents.

A name has the same meaning in every task. The kind defines the Python type of the value and how
:mod:`p5rec.prompting.render` writes it. Templates with a field that the corpus lacks are not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Kind = Literal[
    "item", "title", "items", "titles", "items_titled", "number", "text", "choices", "point"
]
TargetType = Literal["item", "rating", "options", "yesno", "text", "answer", "dialogue"]
YES, NO = "yes", "no"  # values of a verdict
MASK = "[masked]"  # in place of a hidden item or hidden words
Value = str | float | tuple[str, ...] | tuple[tuple[str, str], ...]

# optional data of a corpus → its name in messages, with the key that names its column
DATA: Mapping[str, str] = {
    "ratings": "ratings in the training events (data.columns.rating)",
    "review": "review texts (data.columns.review)",
    "summary": "review summaries (data.columns.summary)",
    "attributes": "attributes in the item table (data.items.columns.attributes)",
    "user_attributes": "attributes in the user table (data.users.columns.attributes)",
    "factors": "factors of the scenario (texts.NAME.prompts.factors)",
    "notes": "earlier texts about the users (texts.NAME.prompts.notes)",
    "points": "vectors of items (a method with a space)",
    "traits": "short attribute values in the item table (data.items.columns.attributes)",
    "years": "an attribute of years in the item table (data.items.columns.attributes)",
    "knowledge": "a knowledge file (prompts.knowledge)",
}


@dataclass(frozen=True)
class Field:
    """One field.

    Attributes:
        kind: type of the value and its format in a prompt.
        about: description of the value.
        needs: required data (a key of ``DATA``); "" if every corpus has them.
        truncate: unit of truncation in a prompt that is too long: ``events`` from the start of a
            history, or ``words`` from the end of a text; "": never truncated. Titles in a list,
            and a target title taken from the list, count as texts.
    """

    kind: Kind
    about: str
    needs: str = ""
    truncate: Literal["", "events", "words"] = ""


FIELDS: Mapping[str, Field] = {
    "item": Field("item", "semantic id of the item in question"),
    "title": Field("title", "title of the item in question", truncate="words"),
    "attributes": Field(
        "text", "its attributes, as `name: values; ...`", "attributes", truncate="words"
    ),
    "fact": Field(
        "text", "what the knowledge file says about its title", "knowledge", truncate="words"
    ),
    "user_attributes": Field(
        "text", "the user's, as `name: values; ...`", "user_attributes", truncate="words"
    ),
    "history": Field("items", "ids of the user's earlier items, oldest first", truncate="events"),
    "history_titles": Field("titles", "their titles", truncate="events"),
    "history_both": Field("items_titled", "their ids and titles", truncate="events"),
    "last": Field("item", "id of the most recent item in the history"),
    "last_title": Field("title", "its title", truncate="words"),
    "rated_titles": Field(
        "titles", "earlier titles, each with the user's rating", "ratings", truncate="events"
    ),
    "rated_items": Field(
        "items", "earlier ids, each with the user's rating", "ratings", truncate="events"
    ),
    "user_mean": Field("number", "mean of the user's earlier ratings", "ratings"),
    "user_count": Field("number", "number of the user's earlier ratings", "ratings"),
    "item_mean": Field("number", "mean of the training ratings others gave the item", "ratings"),
    "item_count": Field("number", "number of these ratings", "ratings"),
    "lowest": Field("number", "lower end of the rating scale", "ratings"),
    "highest": Field("number", "upper end of the rating scale", "ratings"),
    "stars": Field("number", "the rating this user gave the item, as input", "ratings"),
    "liked": Field("items", "ids of earlier items the user liked, in no order", truncate="events"),
    "liked_titles": Field("titles", "their titles", truncate="events"),
    "liked_both": Field("items_titled", "their ids and titles", truncate="events"),
    "taste": Field("text", "attribute values most common among them", "attributes"),
    "factors": Field(
        "text", "aspects that matter in the scenario, such as `genre, mood`", "factors"
    ),
    "notes": Field("text", "an earlier text about the user", "notes", truncate="words"),
    "masked": Field(
        "items", f"ids of a user's items, oldest first, `{MASK}` in place of the target"
    ),
    "masked_titles": Field("titles", "their titles", truncate="words"),
    "others": Field("items", "ids of other items of the user, in no order", truncate="events"),
    "other_titles": Field("titles", "their titles", truncate="events"),
    "candidates": Field("items", "ids of the target and sampled negatives, shuffled"),
    "candidate_titles": Field("titles", "their titles", truncate="words"),
    "options": Field(
        "choices", "ids and titles of the candidates, one line each", truncate="words"
    ),
    "title_options": Field("choices", "titles of the candidates, one line each", truncate="words"),
    "branches": Field("choices", "labels of the children of a node of the item tree"),
    "branch": Field("title", "label of the child that the item is below"),
    "headline": Field(
        "text", "the summary the user put above the review", "summary", truncate="words"
    ),
    "masked_text": Field(
        "text", f"title and attributes of the item, `{MASK}` in place of some words"
    ),
    "rating": Field("number", "the rating to predict", "ratings"),
    "candidate_lines": Field("choices", "ids of the candidates of a list, one line each"),
    "next_lines": Field("choices", "ids of the user's next items, one line each"),
    "profile": Field("text", "an earlier text about the user, which the model writes", "notes"),
    "target": Field("item", "semantic id of the item to name"),
    "target_title": Field("title", "its title", truncate="words"),
    "verdict": Field("text", "yes or no"),
    "masked_words": Field("text", "the hidden words, spans separated by `;`"),
    "explanation": Field("text", "why the item suits the user"),
    "description": Field("text", "what a language model writes about the item or the user"),
    "review": Field("text", "the user's review of the item", "review", truncate="words"),
    "summary": Field("text", "the summary the user put above the review", "summary"),
    "point": Field("point", "a vector of an item", "points"),
    "other_point": Field("point", "a vector of another item", "points"),
    "user_point": Field("point", "a vector of a user", "points"),
    "attribute": Field("text", "name of an attribute"),
    "trait": Field("text", "a short value of an attribute"),
    "answer": Field("text", "the answer, computed from the data"),
    "facts": Field("text", "what is known about the user of a dialogue", "attributes"),
    "state": Field("text", "the wishes that the user has uttered", "attributes"),
    "results": Field("text", "the turn, and the number of items that tools found", "attributes"),
    "utterance": Field(
        "text", "the user's last words, `[values]` marked; `-` within a turn", "attributes"
    ),
    "heard": Field(
        "text", "the wishes that a grammar reads in these words; `-` within a turn", "attributes"
    ),
    "step": Field("text", "the next step: the new wishes, and a tool call", "attributes"),
}

# fields with semantic ids, which a model without training on them cannot read
CODED = frozenset(
    {name for name, field in FIELDS.items() if field.kind in ("item", "items", "items_titled")}
    | {"options", "candidate_lines", "next_lines"}
)


@dataclass(frozen=True)
class Record:
    """The field values of one task for one data row, before rendering.

    Attributes:
        task: the task that built it.
        values: field → value, for source fields and target fields.
        user, item, event: row numbers of the user, the target item and the event; -1: none.
        rating: the target of a rating task, else None.
        mentions: row numbers of all items in the field values, the target included.
        candidates: row numbers of the candidate items, in the order of the prompt.
        points: field of kind ``point`` → its vector ``(d,)`` float32.
    """

    task: str
    values: Mapping[str, Value]
    user: int = -1
    item: int = -1
    event: int = -1
    rating: float | None = None
    mentions: frozenset[int] = frozenset()
    candidates: tuple[int, ...] = ()
    points: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)
