"""The users of a request and its allowed items: files and conditions → rows and masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from p5rec.core.errors import input_error
from p5rec.core.types import Corpus, Histories
from p5rec.data.known import read_columns, row_numbers
from p5rec.decode.allowed import Allowed, ItemLists

from .conditions import rows_where


def users_in(path: Path, corpus: Corpus) -> np.ndarray:
    """``(B,)`` the distinct users in column user of a table file, in their order there."""
    table = read_columns(path, ["user"])
    rows = row_numbers(table["user"], corpus.user_ids, "user", path, table["row"])
    return rows[np.sort(np.unique(rows, return_index=True)[1])]


def users_where(condition: str, corpus: Corpus) -> np.ndarray:
    """``(B,)`` the users for whom a SQL condition holds.

    Columns: ``user``; ``events``, their number; ``first`` and ``last``, their times (positions in
    the log if it has no times); ``mean_rating``, if the log has ratings; and ``user.NAME`` for each
    attribute.
    """
    log, counts = corpus.interactions, np.diff(corpus.interactions.offsets)
    some = counts > 0
    columns: dict[str, object] = {
        "user": pl.Series(list(corpus.user_ids)),
        "events": counts,
        "first": np.where(some, log.times[log.offsets[:-1].clip(max=len(log) - 1)], 0),
        "last": np.where(some, log.times[log.offsets[1:] - 1], 0),
    }
    if log.ratings is not None:
        rated = np.isfinite(log.ratings)
        total = np.bincount(log.users[rated], log.ratings[rated], minlength=log.n_users)
        count = np.bincount(log.users[rated], minlength=log.n_users)
        columns["mean_rating"] = total / np.maximum(count, 1)
    attributes = pl.from_arrow(corpus.users.table)
    assert isinstance(attributes, pl.DataFrame)
    frame = pl.DataFrame(columns).hstack(attributes.select(pl.exclude("user").name.prefix("user.")))
    return rows_where(condition, frame, "--where")


def items_where(condition: str, corpus: Corpus) -> np.ndarray:
    """``(N,)`` bool: the items for which a SQL condition on the item table holds."""
    mask = np.zeros(len(corpus.catalog), dtype=bool)
    frame = pl.from_arrow(corpus.catalog.table)
    assert isinstance(frame, pl.DataFrame)
    mask[rows_where(condition, frame, "--items-where")] = True
    return mask


def items_in(path: Path, corpus: Corpus) -> np.ndarray:
    """``(N,)`` bool: the items in column item of a table file."""
    table = read_columns(path, ["item"])
    mask = np.zeros(len(corpus.catalog), dtype=bool)
    mask[row_numbers(table["item"], corpus.catalog.ids, "item", path, table["row"])] = True
    return mask


def pairs_in(path: Path, users: np.ndarray, corpus: Corpus) -> ItemLists:
    """The items of each of ``users (B,)`` in a table file with columns user and item.

    Other users in the file are ignored.
    """
    table = read_columns(path, ["user", "item"])
    owners = row_numbers(table["user"], corpus.user_ids, "user", path, table["row"])
    items = row_numbers(table["item"], corpus.catalog.ids, "item", path, table["row"])
    order = np.argsort(owners, kind="stable")
    counts = np.bincount(owners, minlength=len(corpus.user_ids))
    lists = ItemLists(items[order].astype(np.int64), np.append(0, np.cumsum(counts)))
    return lists.take(users)


def check_items_left(
    allowed: Allowed,
    histories: Histories,
    names: Sequence[str],
    n_items: int,
    *,
    exclude_seen: bool,
) -> None:
    """Refuses constraints that leave a request without items.

    Args:
        allowed: the items that may be recommended to each of B requests, before seen items are
            left out.
        histories: the requests.
        names: B user ids.
        n_items: N.
        exclude_seen: lists leave out the items of a history.

    Raises:
        UserError: a request has no item left; the message names the first one and their number.
    """
    if exclude_seen:
        seen = ItemLists.seen(histories)
        allowed = allowed & Allowed(deny=seen)
    empty = np.flatnonzero(allowed.counts(len(histories), n_items) == 0)
    if len(empty):
        more = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
        raise input_error(
            "recommend", "at least one allowed item for each user",
            f"none for user {names[empty[0]]!r}{more}",
            "loosen the constraints (allow, deny, candidates), or leave these users out",
        )  # fmt: skip
