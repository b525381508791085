"""Open-ended tasks: a text about one item, or about one user.

The data have no targets for these tasks. A language model writes the texts
(:mod:`p5rec.recommend.writing`).
"""

from __future__ import annotations

import numpy as np

from .base import Task
from .fields import Record
from .predictions import Texts
from .record_builder import USER, Limits, RecordBuilder
from .view import CorpusView

WRITTEN = ("description",)


def _no_rows(view: CorpusView, split_name: str) -> np.ndarray:
    return np.zeros(0, dtype=np.int64)


def _item(view: CorpusView, item: int, rng: np.random.Generator, limits: Limits) -> Record:
    builder = RecordBuilder(view, limits)
    builder.item(item)
    builder.values |= {"factors": ", ".join(view.factors), "description": ""}
    return Record("describe-item", builder.values, item=item, mentions=frozenset([item]))


def _user(view: CorpusView, user: int, rng: np.random.Generator, limits: Limits) -> Record:
    builder = RecordBuilder(view, limits)
    past = view.profile(user)
    builder.rated(builder.history(past))
    builder.liked(past, rng)
    attributes = limits.cut(view.user_attribute_text(user))
    factors = ", ".join(view.factors)
    builder.values |= {
        "user_attributes": attributes,
        "factors": factors,
        "notes": limits.cut(view.note(user)),
        "description": "",
    }
    mentions = frozenset(builder.mentions)
    return Record("describe-user", builder.values, user=user, mentions=mentions)


DESCRIBE_ITEM = Task(
    name="describe-item",
    predictions=Texts,
    capability="",
    metrics=(),
    source_fields=("title", "attributes", "factors"),
    target_fields=WRITTEN,
    rows=_no_rows,
    build=_item,
    of="items",
    open_ended=True,
)

DESCRIBE_USER = Task(
    name="describe-user",
    predictions=Texts,
    capability="",
    metrics=(),
    source_fields=(
        *USER, "history_titles", "last_title", "liked_titles", "taste", "rated_titles", "lowest",
        "highest", "factors", "notes",
    ),
    target_fields=WRITTEN,
    rows=_no_rows,
    build=_user,
    of="users",
    open_ended=True,
)  # fmt: skip
