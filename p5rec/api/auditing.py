"""The leak checks of ``p5rec audit`` on a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import polars as pl

from p5rec.audit.checks import audit_target
from p5rec.audit.findings import SEVERITIES, Finding
from p5rec.audit.targets import Target
from p5rec.data.reading import read_log

from .dataset import Dataset
from .frames import Frame, Kind, caller_names, to_kind


@dataclass(frozen=True, eq=False, repr=False)
class Findings:
    """The findings of an audit, most severe first.

    Attributes:
        findings: each with its numbers, and rows as evidence.
        kind: the kind of the returned frames.
    """

    findings: Sequence[Finding]
    kind: Kind = "polars"

    def table(self, frame: Kind | None = None) -> Frame:
        """A row for each finding: ``severity`` (``leak``, ``warning``, ``note``), ``check``,
        ``sentence``."""
        names = ("severity", "check", "sentence")
        rows = {name: [getattr(one, name) for one in self.findings] for name in names}
        schema = dict.fromkeys(names, pl.String)
        return to_kind(pl.DataFrame(rows, schema=schema), frame or self.kind)

    @property
    def leaks(self) -> list[Finding]:
        """The findings that invalidate results."""
        return [one for one in self.findings if one.severity == "leak"]

    def __len__(self) -> int:
        return len(self.findings)

    def __str__(self) -> str:
        counts = Counter[str](one.severity for one in self.findings)
        lines = [f"{one.severity}: {one.check}: {one.sentence}" for one in self.findings]
        return "\n".join([*lines, ", ".join(f"{s}s found: {counts[s]}" for s in SEVERITIES)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{one.severity}</td><td>{escape(one.check)}</td>"
            f"<td style='text-align:left'>{escape(one.sentence)}</td></tr>"
            for one in self.findings
        )
        head = "<tr><th>severity</th><th>check</th><th>sentence</th></tr>"
        return f"<table>{head}{rows}</table>" if self.findings else "<p>no findings</p>"


def audit(data: Dataset) -> Findings:
    """Checks a data set for known leaks: ids in order of appearance, targets in prompts and side
    texts, order by id instead of time, repeats across splits.

    Args:
        data: the data set.

    Raises:
        UserError: the data cannot be read.
    """
    with caller_names(data.names):
        log = read_log(data.config)
        target = Target(data.corpus, data.summary["ordinal"], log)
        findings = audit_target(target, (), None)
    return Findings(sorted(findings, key=lambda one: SEVERITIES.index(one.severity)), data.kind)
