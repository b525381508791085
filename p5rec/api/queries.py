"""Requests in external ids → histories and constraints in row numbers.

B requests, N items.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from p5rec.core.errors import input_error
from p5rec.core.rng import id_keys
from p5rec.core.types import NOBODY, Corpus, Histories
from p5rec.data.known import row_numbers
from p5rec.data.split import histories_of

from .frames import Frame, column_names, to_polars

if TYPE_CHECKING:  # requests are read without torch
    from p5rec.decode.allowed import Allowed, ItemLists

Ids = Iterable[Any]  # external ids: text, or whole numbers
HISTORIES = "write [['A-17', 'B-02'], ...] or {'u1': ['A-17', 'B-02']}, oldest first"
SEPARATOR = "\x1f"  # of ids in the key of a history


@dataclass(frozen=True, eq=False)
class Requests:
    """The requests of one call.

    Attributes:
        histories: B histories.
        names: B names of users for the lists.
    """

    histories: Histories
    names: list[str]

    @classmethod
    def of_users(cls, users: Ids | None, corpus: Corpus) -> Requests:
        """Requests for users of the data, with all their events; None: every user.

        Raises:
            UserError: a user is unknown.
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
        """Requests for any users, by their histories.

        Args:
            histories: item ids, oldest first, a list for each user, by name or numbered from 0.
            item_ids: the N known items.

        Raises:
            UserError: an item is unknown, or ``histories`` are no lists of ids.
        """
        named = _named(histories)
        lists = [_listed(own, "histories") for own in named.values()]
        flat = [item for own in lists for item in own]
        whose = [f"{name}" for name, own in zip(named, lists, strict=True) for _ in own]
        items = rows_of(flat, item_ids, "item", "histories", whose)
        offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
        bounds = zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
        words = [item_ids[row] for row in items.tolist()]
        keys = id_keys([SEPARATOR.join(words[first:last]) for first, last in bounds])
        users = np.full(len(lists), NOBODY, dtype=np.int32)
        return cls(Histories(users, items, offsets, keys), [str(name) for name in named])


def allowed_of(
    requests: Requests,
    item_ids: Sequence[str],
    candidates: Ids | None = None,
    allow: Mapping[Any, Ids] | None = None,
    deny: Mapping[Any, Ids] | None = None,
) -> Allowed | None:
    """The allowed items of each request, seen items aside; None: all items.

    Args:
        requests: B requests.
        item_ids: the N items.
        candidates: the items allowed for the whole call.
        allow: user → the only items allowed for this user.
        deny: user → items excluded for this user.

    Raises:
        UserError: an item is unknown.
    """
    if candidates is None and allow is None and deny is None:
        return None
    from p5rec.decode.allowed import Allowed

    mask = None
    if candidates is not None:
        mask = np.zeros(len(item_ids), dtype=bool)
        mask[rows_of(candidates, item_ids, "item", "candidates")] = True
    allow_lists, deny_lists = (
        None if lists is None else _lists(lists, requests.names, item_ids, name)
        for name, lists in (("allow", allow), ("deny", deny))
    )
    return Allowed(mask, allow_lists, deny_lists)


def pairs_of(pairs: Frame, corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    """The row numbers of the users and of the items ``(B,)`` in a frame's ``user`` and ``item``.

    Raises:
        UserError: a column is missing, or an id is unknown.
    """
    column_names(pairs, "pairs")
    table = to_polars(pairs, "pairs", ["user", "item"])
    if missing := next((c for c in ("user", "item") if c not in table.columns), None):
        raise input_error("pairs", f"a column {missing!r}", "none", "rename the column")
    users = rows_of(table["user"], corpus.user_ids, "user", "pairs")
    return users, rows_of(table["item"], corpus.catalog.ids, "item", "pairs")


def rows_of(
    ids: Ids, known: Sequence[str], kind: str, name: str, positions: Sequence[Any] | None = None
) -> np.ndarray:
    """The row numbers ``(B,)`` int32 of external ids.

    Args:
        ids: B external ids.
        known: all ids, in the order of their row numbers.
        kind: ``user`` or ``item``, for the message.
        name: name of the argument, for the message.
        positions: B positions for the message; None: counted from 1.

    Raises:
        UserError: an id is unknown; the message names the first.
    """
    listed = _listed(ids, name)
    if not listed:
        return np.zeros(0, dtype=np.int32)
    at = pl.Series(range(1, len(listed) + 1) if positions is None else positions)
    return row_numbers(series_of(listed, name), known, kind, Path(name), at)


def series_of(ids: Sequence[Any], name: str) -> pl.Series:
    """Ids as a column.

    Raises:
        UserError: the ids have mixed types, text and numbers.
    """
    try:
        return pl.Series("id", ids)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        got = str(error).splitlines()[0]
        raise input_error(name, "ids of one type", got, "convert all of them to text") from None


def _named(histories: Sequence[Ids] | Mapping[Any, Ids]) -> Mapping[Any, Ids]:
    """Histories by name; those of a list are numbered."""
    if isinstance(histories, Mapping):
        return histories
    listed: list[Any] = [*histories] if _is_list(histories) else []
    got = [repr(own) for own in listed if not _is_list(own)]
    if got or not _is_list(histories):
        got = got or [f"a {type(histories).__name__}"]
        raise input_error("histories", "a list of item ids for each user", got[0], HISTORIES)
    return dict(enumerate(listed))


def _is_list(ids: Any) -> bool:
    """Whether ``ids`` are a list or a column; text, a mapping and a frame are none."""
    return isinstance(ids, Iterable) and not (
        isinstance(ids, str | bytes | Mapping) or hasattr(ids, "columns")
    )


def _listed(ids: Ids, name: str) -> list[Any]:
    if _is_list(ids):
        return list(ids)
    got = f"a {type(ids).__name__}"
    if isinstance(ids, Mapping):
        todo = f"write {name}=[...]"
        if name == "candidates":
            todo += " for the whole call, or allow={user: [...]} for each user"
    elif hasattr(ids, "columns"):
        todo = f"name one of its columns: {name}=frame[...]"
    else:
        got, todo = repr(ids), f"write [{ids!r}]"
    raise input_error(name, "a list of ids", got, todo)


def _lists(
    lists: Mapping[Any, Ids], names: Sequence[str], item_ids: Sequence[str], name: str
) -> ItemLists:
    """The items of each of ``names`` in a mapping; its other keys are ignored."""
    if not isinstance(lists, Mapping):
        got = f"a {type(lists).__name__}"
        raise input_error(name, "user → items", got, "write {user: [...]}, or candidates=[...]")
    own = {str(user): _listed(items, name) for user, items in lists.items()}
    if not own.keys() & {*names}:
        got, todo = repr(next(iter(own), "nobody")), "use the names in users or histories"
        raise input_error(name, "users of this call", got, todo)
    per_user = [own.get(user, []) for user in names]
    flat = [item for items in per_user for item in items]
    whose = [user for user, items in zip(names, per_user, strict=True) for _ in items]
    rows = rows_of(flat, item_ids, "item", name, whose)
    from p5rec.decode.allowed import ItemLists

    return ItemLists(rows.astype(np.int64), np.cumsum([0, *map(len, per_user)]))
