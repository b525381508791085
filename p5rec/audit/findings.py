"""The findings of an audit, with the rows that are their evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import polars as pl

from p5rec.core.types import SPLITS, Corpus

MIN_COUNT = 20  # of items, users or ties, for a check to run
ALPHA = 0.001  # false-alarm rate of a statistical test
MAX_EVIDENCE = 5  # rows of evidence for a finding
SEVERITIES = ("leak", "warning", "note")  # most severe first

Row = Mapping[str, str | int]


@dataclass(frozen=True)
class Finding:
    """One finding of an audit.

    Attributes:
        severity: ``leak`` invalidates results, ``warning`` needs a check, ``note`` informs.
        check: the name of the check.
        sentence: the problem and its remedy.
        numbers: the measured values by name.
        evidence: up to ``MAX_EVIDENCE`` rows, with external ids.
    """

    severity: Literal["leak", "warning", "note"]
    check: str
    sentence: str
    numbers: dict[str, float] = field(default_factory=dict)
    evidence: tuple[Row, ...] = ()


def evidence_of(
    corpus: Corpus, events: np.ndarray, extra: Mapping[str, Sequence[str]] | None = None
) -> tuple[Row, ...]:
    """The first ``MAX_EVIDENCE`` of ``events``, as rows of evidence.

    Args:
        corpus: the corpus.
        events: ``(n,)`` event rows.
        extra: further columns by name, a value for each event.
    """
    log, names = corpus.interactions, {number: name for name, number in SPLITS.items()}
    return tuple(
        {
            "user": corpus.user_ids[log.users[event]],
            "item": corpus.catalog.ids[log.items[event]],
            "time": int(log.times[event]),
            "split": names.get(int(corpus.split.of_event[event]), "unused"),
            **{name: words[n] for name, words in (extra or {}).items()},
        }
        for n, event in enumerate(events[:MAX_EVIDENCE].tolist())
    )


def with_file_rows(
    findings: Sequence[Finding], events: pl.DataFrame, per_unit: int
) -> list[Finding]:
    """The findings with file row numbers in their evidence.

    Args:
        findings: of a corpus.
        events: the log of the corpus (see :class:`~p5rec.data.rawlog.RawLog`).
        per_unit: units of the log's times in one time unit of the corpus.
    """
    wanted = [row for finding in findings for row in finding.evidence if "time" in row]
    if not wanted:
        return list(findings)
    keys = pl.DataFrame(
        [(str(row["user"]), str(row["item"]), int(row["time"])) for row in wanted],
        schema={"user": pl.String, "item": pl.String, "time": pl.Int64},
        orient="row",
    ).unique()
    known = events.select("user", "item", pl.col("time") // per_unit, "row")
    rows = known.join(keys, on=["user", "item", "time"]).group_by("user", "item", "time")
    at = {tuple(line[:3]): line[3] for line in rows.agg(pl.col("row").min()).iter_rows()}

    def with_row(row: Row) -> Row:
        key = (row.get("user"), row.get("item"), row.get("time"))
        return {**row, "row": at[key]} if key in at else row

    return [replace(f, evidence=tuple(map(with_row, f.evidence))) for f in findings]


def too_many(hits: int, expected: float) -> bool:
    """Whether ``hits`` exceed the ``expected`` number by chance, by the tail of a Poisson."""
    fewer = sum(
        math.exp(k * math.log(expected) - expected - math.lgamma(k + 1)) for k in range(hits)
    )
    return hits > expected and 1 - fewer <= ALPHA
