"""What a model is asked, under external ids → histories and constraints in row numbers.

B requests, N items.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from p5rec.core.errors import UserError, input_error
from p5rec.core.rng import id_keys
from p5rec.core.types import NOBODY, Corpus, Histories
from p5rec.data.known import known_rows
from p5rec.data.split import histories_of

if TYPE_CHECKING:  # what is asked is said without torch
    from p5rec.decode.allowed import Allowed, ItemLists

Ids = Iterable[Any]  # external ids: text, or whole numbers
APART = "\x1f"  # between the ids of a history, where it is one text


@dataclass(frozen=True, eq=False)
class Requests:
    """Whom lists are made for.

    Attributes:
        histories: B requests.
        names: B users, as the lists call them.
    """

    histories: Histories
    names: list[str]

    @classmethod
    def of_users(cls, users: Ids | None, corpus: Corpus) -> Requests:
        """Users of the data by all that they did; None: every user.

        Raises:
            UserError: one is unknown.
        """
        if users is None:
            return cls(histories_of(corpus.interactions), list(corpus.user_ids))
        rows = rows_of(users, corpus.user_ids, "user", "users")
        return cls(
            histories_of(corpus.interactions, rows), [corpus.user_ids[row] for row in rows.tolist()]
        )

    @classmethod
    def of_histories(
        cls, histories: Sequence[Ids] | Mapping[Any, Ids], item_ids: Sequence[str]
    ) -> Requests:
        """Users that the data need not know, by what they did.

        Args:
            histories: item ids, oldest first, a list a user; by name, or called 0, 1, ...
            item_ids: the N items that are known.

        Raises:
            UserError: an item is unknown.
        """
        named = histories if isinstance(histories, Mapping) else dict(enumerate(histories))
        lists = [_listed(own, "histories") for own in named.values()]
        flat = [item for own in lists for item in own]
        whose = [f"{name}" for name, own in zip(named, lists, strict=True) for _ in own]
        items = rows_of(flat, item_ids, "item", "histories", whose)
        offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
        bounds = zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
        words = [item_ids[row] for row in items.tolist()]
        keys = id_keys([APART.join(words[first:last]) for first, last in bounds])
        users = np.full(len(lists), NOBODY, dtype=np.int32)
        return cls(Histories(users, items, offsets, keys), [str(name) for name in named])


def allowed_of(
    requests: Requests,
    item_ids: Sequence[str],
    candidates: Ids | None = None,
    allow: Mapping[Any, Ids] | None = None,
    deny: Mapping[Any, Ids] | None = None,
) -> Allowed | None:
    """What each request may be given, seen items aside; None: everything.

    Args:
        requests: B.
        item_ids: the N items.
        candidates: items that any request may be given.
        allow: user → the items that this one may be given, and no others.
        deny: user → items that this one must not be given.

    Raises:
        UserError: an item is unknown.
    """
    if candidates is None and allow is None and deny is None:
        return None
    from p5rec.decode.allowed import Allowed

    within = None
    if candidates is not None:
        within = np.zeros(len(item_ids), dtype=bool)
        within[rows_of(candidates, item_ids, "item", "candidates")] = True
    only, never = (
        None if lists is None else _lists(lists, requests.names, item_ids, name)
        for name, lists in (("allow", allow), ("deny", deny))
    )
    return Allowed(within, only, never)


def rows_of(
    ids: Ids, known: Sequence[str], kind: str, name: str, places: Sequence[Any] | None = None
) -> np.ndarray:
    """Rows ``(B,)`` int32 of external ids.

    Args:
        ids: B.
        known: the ids in order of row.
        kind: ``user`` or ``item``, for the message.
        name: of the argument, for the message.
        places: B, where each stands; None: counted from 1.

    Raises:
        UserError: one is unknown; it names the first such one.
    """
    listed = _listed(ids, name)
    if not listed:
        return np.zeros(0, dtype=np.int32)
    at = pl.Series(range(1, len(listed) + 1) if places is None else places)
    return known_rows(series_of(listed, name), known, kind, Path(name), at)


def series_of(ids: Sequence[Any], name: str) -> pl.Series:
    """Ids as a column.

    Raises:
        UserError: they are of several types, text and numbers.
    """
    try:
        return pl.Series("id", ids)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        got = str(error).splitlines()[0]
        raise input_error(name, "ids of one type", got, "make all of them text") from None


def _listed(ids: Ids, name: str) -> list[Any]:
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise UserError(f"{name}: expected a list of ids, got {ids!r}; write [{ids!r}]")
    return list(ids)


def _lists(
    lists: Mapping[Any, Ids], names: Sequence[str], item_ids: Sequence[str], name: str
) -> ItemLists:
    """The items that a mapping has for each of ``names``; what it says of others is not read."""
    if not isinstance(lists, Mapping):
        got = f"a {type(lists).__name__}"
        raise input_error(name, "user → items", got, "write {user: [...]}, or candidates=[...]")
    own = {str(user): _listed(items, name) for user, items in lists.items()}
    if not own.keys() & {*names}:
        got, todo = repr(next(iter(own), "nobody")), "name them as users or histories do"
        raise input_error(name, "users that lists are made for", got, todo)
    found = [own.get(user, []) for user in names]
    flat = [item for items in found for item in items]
    whose = [user for user, items in zip(names, found, strict=True) for _ in items]
    rows = rows_of(flat, item_ids, "item", name, whose)
    from p5rec.decode.allowed import ItemLists

    return ItemLists(rows.astype(np.int64), np.cumsum([0, *map(len, found)]))
