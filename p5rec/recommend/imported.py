"""Ranked lists of other systems, read from a table and aligned with the test instances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from p5rec.core.errors import input_error
from p5rec.core.types import Corpus, RankedLists
from p5rec.data.cells import as_id
from p5rec.data.known import extended_row_numbers, read_columns
from p5rec.data.split import instances

COLUMNS, OPTIONAL = ("user", "rank", "item"), ("score",)


def read_file(path: Path) -> pl.DataFrame:
    """The table in a CSV, TSV, Parquet or JSON lines file, for :func:`import_lists`.

    Raises:
        UserError: the file or a column is missing, or the table is empty.
    """
    return read_columns(path, COLUMNS, OPTIONAL)


def import_lists(
    table: pl.DataFrame, path: Path, corpus: Corpus, split_name: str
) -> tuple[RankedLists, list[str]]:
    """The ranked lists in a table, one row per rank, for the users with a target in a split.

    An item outside the catalogue keeps its rank. It counts as invalid and is no hit.

    Args:
        table: columns ``user``, ``rank`` (from 1, without gaps), ``item``, optionally ``score``
            (without it, the negated rank), and ``row``, the number of each row for messages.
        path: the file, or a name for messages.
        corpus: the data that define users and items.
        split_name: ``valid`` or ``test``.

    Returns:
        ``(B, K)`` lists in the order of :func:`p5rec.data.split.instances`, K the longest. Users
        without a list in the table get an empty one; unknown items get numbers beyond the
        catalogue's. Second, sentences about missing lists and unknown users and items.

    Raises:
        UserError: a user is missing, a rank or score is no number, a rank is repeated or missing,
            or no user has a target.
    """
    missing_user = as_id(table["user"]).is_null()
    if missing_user.any():
        row = table["row"][int(missing_user.arg_max() or 0)]
        raise input_error(
            f"{path}, row {row}", "a user id", "nothing", "fill it in or remove the row"
        )
    n_users, n_items = corpus.interactions.n_users, len(corpus.catalog)
    users = extended_row_numbers(table["user"], corpus.user_ids)
    items = extended_row_numbers(table["item"], corpus.catalog.ids)
    ranks = _numbers(table, "rank", path).astype(np.int64)
    scores = _numbers(table, "score", path) if "score" in table.columns else -ranks
    _check_ranks(users, ranks, table, path)

    histories, _, _ = instances(corpus.interactions, corpus.split, split_name)
    instance_of = np.full(max(n_users, int(users.max()) + 1), -1)
    instance_of[histories.users] = np.arange(len(histories))
    measured = instance_of[users] >= 0
    if not measured.any():
        got = f"lists of {len(np.unique(users))} other users"
        raise input_error(
            path,
            f"lists for users with an event in the {split_name} split",
            got,
            "evaluate on another split",
        )
    invalid = measured & (items >= n_items)
    requests, positions = instance_of[users[measured]], ranks[measured] - 1
    shape = (len(histories), int(positions.max()) + 1)
    lists = RankedLists(
        histories.users, np.full(shape, -1, np.int32), np.full(shape, -np.inf, np.float32)
    )
    lists.items[requests, positions] = items[measured]
    lists.scores[requests, positions] = scores[measured]
    unknown = len(np.unique(users[users >= n_users]))
    others = len(np.unique(users[~measured])) - unknown
    missing = len(histories) - len(np.unique(requests))
    warnings = {
        f"{missing:,} of {len(histories):,} users have no list in {path.name}; each counts as a "
        "miss.": missing,
        f"{others:,} users of {path.name} have no event in the {split_name} split and were not "
        "evaluated.": others,
        f"{unknown:,} users of {path.name} are not in the data and were not evaluated.": unknown,
        f"{invalid.sum():,} of {measured.sum():,} recommendations name no item of the catalogue: "
        "each keeps its rank, and none is a hit.": int(invalid.sum()),
    }  # fmt: skip
    return lists, [sentence for sentence, count in warnings.items() if count]


def lists_seen(lists: RankedLists, corpus: Corpus, split_name: str) -> bool:
    """Whether any list contains an item of its user's history; see :func:`import_lists`."""
    histories = instances(corpus.interactions, corpus.split, split_name)[0].of_targets()
    n_items = len(corpus.catalog)
    request, position = np.nonzero((lists.items >= 0) & (lists.items < n_items))
    listed = request * n_items + lists.items[request, position]
    return bool(np.isin(listed, histories.requests() * n_items + histories.items).any())


def _numbers(table: pl.DataFrame, column: str, path: Path) -> np.ndarray:
    """A column ``(R,)`` float64; a rank must be a whole number from 1."""
    values = table[column].cast(pl.Float64, strict=False)
    bad = ~values.is_finite().fill_null(False)
    expected = "a number"
    if column == "rank":
        bad |= ((values < 1) | (values != values.floor())).fill_null(True)
        expected = "a whole number from 1"
    if bad.any():
        at = bad.arg_max() or 0
        got = table[column][at]
        raise input_error(
            f"{path}, row {table['row'][at]}", f"{expected} in column {column!r}",
            "nothing" if got in (None, "") else repr(got), "fix the row",
        )  # fmt: skip
    return values.to_numpy()


def _check_ranks(users: np.ndarray, ranks: np.ndarray, table: pl.DataFrame, path: Path) -> None:
    """Refuses ranks of a user that are not 1, 2, 3, ..., in any order of rows."""
    order = np.lexsort((ranks, users))
    starts = np.searchsorted(users[order], users[order])
    expected = np.arange(len(order)) - starts + 1
    wrong = np.flatnonzero(ranks[order] != expected)
    if not len(wrong):
        return
    row = order[wrong[0]]
    got, wanted = int(ranks[row]), int(expected[wrong[0]])
    raise input_error(
        f"{path}, row {table['row'][int(row)]}",
        f"rank {wanted} of user {table['user'][int(row)]!r}",
        f"rank {got} again" if got < wanted else f"rank {got}",
        "give each user the ranks 1, 2, 3, ... once",
    )
