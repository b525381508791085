"""What an audit found, and the rows that show it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import polars as pl

from p5rec.core.types import SPLITS, Corpus

LEAST = 20  # fewer items, users or ties than this show nothing
SURE = 0.001  # chance of a false alarm that a test may have
SHOWN = 5  # rows of evidence
SEVERITIES = ("leak", "warning", "note")  # the worst first

Row = Mapping[str, str | int]


@dataclass(frozen=True)
class Finding:
    """One thing an audit found.

    Attributes:
        severity: ``leak`` makes numbers wrong, ``warning`` asks for a look, ``note`` informs.
        check: which check, a few words.
        sentence: what is the matter and what follows.
        numbers: what was measured.
        evidence: up to ``SHOWN`` rows that show it, under external ids.
    """

    severity: Literal["leak", "warning", "note"]
    check: str
    sentence: str
    numbers: dict[str, float] = field(default_factory=dict)
    evidence: tuple[Row, ...] = ()


def shown(
    corpus: Corpus, events: np.ndarray, beside: Mapping[str, Sequence[str]] | None = None
) -> tuple[Row, ...]:
    """The first ``SHOWN`` of ``events``, as rows of evidence.

    Args:
        corpus: the corpus.
        events: ``(n,)`` event rows.
        beside: more to say of each of them, by name.
    """
    log, names = corpus.interactions, {number: name for name, number in SPLITS.items()}
    return tuple(
        {
            "user": corpus.user_ids[log.users[event]],
            "item": corpus.catalog.ids[log.items[event]],
            "time": int(log.times[event]),
            "part": names.get(int(corpus.split.of_event[event]), "unused"),
            **{name: words[n] for name, words in (beside or {}).items()},
        }
        for n, event in enumerate(events[:SHOWN].tolist())
    )


def with_file_rows(found: Sequence[Finding], events: pl.DataFrame, per_unit: int) -> list[Finding]:
    """The findings, their evidence with the rows of the file that it stands in.

    Args:
        found: what was found in a corpus.
        events: the log it was made from (see :class:`~p5rec.data.rawlog.RawLog`).
        per_unit: units of the log's times in one of the corpus's.
    """
    wanted = [row for finding in found for row in finding.evidence if "time" in row]
    if not wanted:
        return list(found)
    asked = pl.DataFrame(
        [(str(row["user"]), str(row["item"]), int(row["time"])) for row in wanted],
        schema={"user": pl.String, "item": pl.String, "time": pl.Int64},
        orient="row",
    ).unique()
    known = events.select("user", "item", pl.col("time") // per_unit, "row")
    rows = known.join(asked, on=["user", "item", "time"]).group_by("user", "item", "time")
    at = {tuple(line[:3]): line[3] for line in rows.agg(pl.col("row").min()).iter_rows()}

    def placed(row: Row) -> Row:
        key = (row.get("user"), row.get("item"), row.get("time"))
        return {**row, "row": at[key]} if key in at else row

    return [replace(f, evidence=tuple(map(placed, f.evidence))) for f in found]


def too_many(hits: int, expected: float) -> bool:
    """Whether ``hits`` are more than chance gives, which gives ``expected``: Poisson's tail."""
    below = sum(
        math.exp(k * math.log(expected) - expected - math.lgamma(k + 1)) for k in range(hits)
    )
    return hits > expected and 1 - below <= SURE
