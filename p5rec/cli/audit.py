"""``p5rec audit``: look for the known leaks in a log, a corpus, a store or a run."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p5rec.core.terminal import printable

if TYPE_CHECKING:
    from p5rec.audit.findings import Finding, Row

app = typer.Typer(add_completion=False, rich_markup_mode=None)

INDENT, WIDEST = 9, 120


@app.command()
def audit(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="A log (CSV, TSV, Parquet, JSON lines, sequences), a YAML file or a "
            "shipped config's name, a prepared folder, a run's folder, or a store.",
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="On top of a YAML or a log: data.split=time data.columns.user=customer.",
        ),
    ] = None,
    source: Annotated[
        str, typer.Option(help="Kind of a log, see `p5rec data sources`; guessed by default.")
    ] = "",
    users: Annotated[
        Path | None,
        typer.Option(help="A table of users' texts (profiles): a column `user` and any others."),
    ] = None,
    prompts: Annotated[
        list[str] | None, typer.Option(help="A folder of prompt files of your own; repeatable.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the findings with all figures here, too.")
    ] = None,
) -> None:
    """Print what is suspicious, with rows that show it; the exit code is 1 if a leak was found.

    Looked for are ids in order of appearance, targets in prompts and side texts, things learned
    from held-out events, order by id in place of time, and repeats across the split. Nothing but
    the file of --json is written. A log is split as `data.split` says (leave-one-out).
    """
    from p5rec.audit.checks import audit_target
    from p5rec.audit.findings import SEVERITIES
    from p5rec.audit.targets import find_targets
    from p5rec.core.artefacts import write_json, writing

    from .outputs import check_file

    if json_file is not None:
        check_file(json_file)
    targets, found = find_targets(target, overrides or [], source)
    for each in targets:
        log = each.corpus.interactions
        print(
            f"{log.n_users:,} users, {log.n_items:,} items, {len(log):,} events, split "
            f"{each.corpus.split.name}"
        )
        found += audit_target(each, prompts or [], users)
    found = sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))
    for finding in found:
        print("\n".join(_told(finding)))
    counts = {s: sum(finding.severity == s for finding in found) for s in SEVERITIES}
    print(", ".join(f"{severity}s found: {n}" for severity, n in counts.items()))
    if json_file is not None:
        with writing(json_file):
            told = [asdict(finding) for finding in found]
            write_json(json_file, {"target": str(target), **counts, "findings": told})
    raise typer.Exit(1 if counts["leak"] else 0)


def _told(finding: Finding) -> list[str]:
    """A finding as lines: what it is, its sentence, its rows."""
    width, margin = min(shutil.get_terminal_size((100, 0)).columns, WIDEST), " " * INDENT
    said = f"{finding.severity:<{INDENT}}{finding.check}: {printable(finding.sentence)}"
    lines = textwrap.wrap(said, width, subsequent_indent=margin)
    return [*lines, *(margin + line for line in _rows(finding.evidence, width - INDENT))]


def _rows(rows: Sequence[Row], width: int) -> list[str]:
    """Rows of evidence as an aligned table; a column that is too wide is cut."""
    if not rows:
        return []
    names = list(rows[0])
    cells = (
        [printable(" ".join(str(row.get(name, "")).split())) for name in names] for row in rows
    )
    table = [list(map(printable, names)), *cells]
    wide = [max(len(line[n]) for line in table) for n in range(len(names))]
    lines = ("  ".join(map(str.ljust, line, wide)) for line in table)
    return [line.rstrip()[:width] for line in lines]
