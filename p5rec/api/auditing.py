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
from p5rec.data.build import read_log

from .dataset import Dataset
from .frames import Frame, Kind, in_words_of, to_kind


@dataclass(frozen=True, eq=False, repr=False)
class Findings:
    """What an audit found, the worst first.

    Attributes:
        found: each with its figures, and rows that show it.
        kind: of the frames that come out.
    """

    found: Sequence[Finding]
    kind: Kind = "polars"

    def table(self, frame: Kind | None = None) -> Frame:
        """A row a finding: ``severity`` (``leak``, ``warning``, ``note``), ``check``,
        ``sentence``."""
        names = ("severity", "check", "sentence")
        rows = {name: [getattr(one, name) for one in self.found] for name in names}
        schema = dict.fromkeys(names, pl.String)
        return to_kind(pl.DataFrame(rows, schema=schema), frame or self.kind)

    @property
    def leaks(self) -> list[Finding]:
        """Those that make figures wrong."""
        return [one for one in self.found if one.severity == "leak"]

    def __len__(self) -> int:
        return len(self.found)

    def __str__(self) -> str:
        counts = Counter[str](one.severity for one in self.found)
        said = [f"{one.severity}: {one.check}: {one.sentence}" for one in self.found]
        return "\n".join([*said, ", ".join(f"{s}s found: {counts[s]}" for s in SEVERITIES)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{one.severity}</td><td>{escape(one.check)}</td>"
            f"<td style='text-align:left'>{escape(one.sentence)}</td></tr>"
            for one in self.found
        )
        head = "<tr><th>severity</th><th>check</th><th>sentence</th></tr>"
        return f"<table>{head}{rows}</table>" if self.found else "<p>nothing suspicious found</p>"


def audit(data: Dataset) -> Findings:
    """Looks for the known leaks in a data set: ids in order of appearance, targets in prompts and
    side texts, order by id in place of time, repeats across the split.

    Raises:
        UserError: the data cannot be read.
    """
    with in_words_of(data.names):
        log = read_log(data.config)
        target = Target(data.corpus, data.summary["ordinal"], log)
        found = audit_target(target, (), None)
    return Findings(sorted(found, key=lambda one: SEVERITIES.index(one.severity)), data.kind)
