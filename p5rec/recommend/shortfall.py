"""Who got no list, or a shorter one than was asked for, and why."""

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

NAMED = 3  # users that a sentence names


def shortfall(
    files: Sequence[Path],
    users: np.ndarray,
    k: int,
    corpus: Corpus,
    allowed: Allowed | None,
    *,
    exclude_seen: bool,
) -> dict[str, Any]:
    """How the lists in ``files`` fall short of ``k`` items for each of ``users (B,)``.

    Args:
        files: Parquet, a row a place in a list, with a column user.
        users: whom lists were asked for.
        k: items a list.
        corpus: whose users they are.
        allowed: the items each may be given, seen ones aside; None: all.
        exclude_seen: lists leave out what a user has met.

    Returns:
        ``users`` and ``k``; under ``without`` (a list) and ``shorter`` (than k), the number of
        such users, ``why`` with a number for each reason, and ``ids``, all of them.
    """
    ids = pl.Series("user", [corpus.user_ids[user] for user in users], dtype=pl.String)
    found = pl.concat([pl.read_parquet(file.read_bytes(), columns=["user"]) for file in files])
    lengths = found.group_by("user").len()
    counts = ids.to_frame().join(lengths, on="user", how="left", maintain_order="left")["len"]
    listed = counts.fill_null(0).to_numpy().astype(np.int64)
    n_items, allowed = len(corpus.catalog), allowed or Allowed()
    within = allowed.counts(len(users), n_items)
    free = within
    if exclude_seen:
        seen = ItemLists.seen(histories_of(corpus.interactions, users))
        free = (allowed & Allowed(deny=seen)).counts(len(users), n_items)
    need = np.minimum(listed + 1, k)  # with as many to choose from, the list would be longer
    reasons = np.select(
        [n_items < need, within < need, free < need],
        ["the catalogue has no more", "the constraints leave no more", "they have met all others"],
        "the search found no more",
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


def sentences(told: dict[str, Any]) -> list[str]:
    """The same in words: a sentence for each group that somebody is in."""
    kinds = {"without": "no list", "shorter": f"fewer than {told['k']} items"}
    lines = []
    for name, words in kinds.items():
        group = told[name]
        if group["users"]:
            named = ", ".join(map(repr, group["ids"][:NAMED]))
            more = ", ..." if group["users"] > NAMED else ""
            why = "; ".join(f"{reason}: {n:,}" for reason, n in group["why"].items())
            lines.append(
                f"{group['users']:,} of {told['users']:,} users got {words} ({named}{more}); {why}"
            )
    return lines
