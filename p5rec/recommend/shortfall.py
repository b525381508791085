"""Users who got no list, or one with fewer than k items, and the reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p5rec.core.types import Corpus
from p5rec.data.split import histories_of
from p5rec.decode.allowed import Allowed, ItemLists

NAMED = 3  # users that a message names


def shortfall(
    files: Sequence[Path],
    users: np.ndarray,
    k: int,
    corpus: Corpus,
    allowed: Allowed | None,
    *,
    exclude_seen: bool,
) -> dict[str, Any]:
    """Counts users whose lists in ``files`` have fewer than ``k`` items, by reason.

    Args:
        files: Parquet, one row per rank, with a column user.
        users: ``(B,)`` the requested users.
        k: items per list.
        corpus: the data.
        allowed: the items that may be recommended to each user, before seen items are left out;
            None: all.
        exclude_seen: lists leave out the items of a user's history.

    Returns:
        ``users`` and ``k``; under ``without`` (no list) and ``shorter`` (fewer than k items), the
        number of users, ``why`` with a number for each reason, and ``ids`` with all user ids.
    """
    ids = pl.Series("user", [corpus.user_ids[user] for user in users], dtype=pl.String)
    ranks = pl.concat([pl.read_parquet(file.read_bytes(), columns=["user"]) for file in files])
    lengths = ranks.group_by("user").len()
    counts = ids.to_frame().join(lengths, on="user", how="left", maintain_order="left")["len"]
    listed = counts.fill_null(0).to_numpy().astype(np.int64)
    n_items, allowed = len(corpus.catalog), allowed or Allowed()
    candidates = allowed.counts(len(users), n_items)
    unseen = candidates
    if exclude_seen:
        seen = ItemLists.seen(histories_of(corpus.interactions, users))
        unseen = (allowed & Allowed(deny=seen)).counts(len(users), n_items)
    need = np.minimum(listed + 1, k)  # candidates for which the list would be longer
    reasons = np.select(
        [n_items < need, candidates < need, unseen < need],
        [
            "the catalogue has no more items",
            "the constraints leave no more items",
            "all other items are in their history",
        ],
        "the search returned no more items",
    )
    groups = {"without": listed == 0, "shorter": (listed > 0) & (listed < k)}
    return {"users": len(users), "k": k} | {
        name: {
            "users": int(which.sum()),
            "why": dict(Counter(reasons[which].tolist())),
            "ids": ids.filter(pl.Series(which)).to_list(),
        }
        for name, which in groups.items()
    }


def shortfall_lines(report: dict[str, Any]) -> list[str]:
    """The report of :func:`shortfall` as text: a line for each group that is not empty."""
    kinds = {"without": "no list", "shorter": f"fewer than {report['k']} items"}
    lines = []
    for name, words in kinds.items():
        group = report[name]
        if group["users"]:
            named = ", ".join(map(repr, group["ids"][:NAMED]))
            more = ", ..." if group["users"] > NAMED else ""
            why = "; ".join(f"{reason}: {n:,}" for reason, n in group["why"].items())
            users = f"{group['users']:,} of {report['users']:,} users"
            lines.append(f"{users} got {words} ({named}{more}); {why}")
    return lines
