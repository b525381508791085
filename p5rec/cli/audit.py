"""``p5rec audit``: checks a log, a recipe, a store or a run for known leaks."""

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

INDENT, MAX_WIDTH = 9, 120


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
            help="Overrides for a YAML or a log: data.split=time data.columns.user=customer.",
        ),
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            help="Source of a log, see `p5rec data sources`; derived from its name by default."
        ),
    ] = "",
    users: Annotated[
        Path | None,
        typer.Option(help="A table of user profiles: a column `user` and text columns."),
    ] = None,
    prompts: Annotated[
        list[str] | None, typer.Option(help="A folder with your own prompt files; repeatable.")
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Also write the findings with all numbers to this file."),
    ] = None,
) -> None:
    """Check for leaks and print findings with rows as evidence; exit code 1 if there is a leak.

    The checks cover ids in order of appearance, targets in prompts and side texts, artefacts
    fitted to held-out events, order by id instead of time, and repeats across splits. The command
    writes no file except that of --json. A log is split by `data.split` (leave-one-out).
    """
    from p5rec.audit.checks import audit_target
    from p5rec.audit.findings import SEVERITIES
    from p5rec.audit.targets import find_targets
    from p5rec.core.artefacts import write_json, writing

    from .outputs import check_file

    if json_file is not None:
        check_file(json_file)
    targets, findings = find_targets(target, overrides or [], source)
    for each in targets:
        log = each.corpus.interactions
        print(
            f"{log.n_users:,} users, {log.n_items:,} items, {len(log):,} events, split "
            f"{each.corpus.split.name}"
        )
        findings += audit_target(each, prompts or [], users)
    findings = sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
    for finding in findings:
        print("\n".join(_lines(finding)))
    counts = {s: sum(finding.severity == s for finding in findings) for s in SEVERITIES}
    print(", ".join(f"{severity}s found: {n}" for severity, n in counts.items()))
    if json_file is not None:
        with writing(json_file):
            records = [asdict(finding) for finding in findings]
            write_json(json_file, {"target": str(target), **counts, "findings": records})
    raise typer.Exit(1 if counts["leak"] else 0)


def _lines(finding: Finding) -> list[str]:
    """A finding as lines: severity, check and sentence, then the evidence."""
    width, margin = min(shutil.get_terminal_size((100, 0)).columns, MAX_WIDTH), " " * INDENT
    text = f"{finding.severity:<{INDENT}}{finding.check}: {printable(finding.sentence)}"
    lines = textwrap.wrap(text, width, subsequent_indent=margin)
    return [*lines, *(margin + line for line in _rows(finding.evidence, width - INDENT))]


def _rows(rows: Sequence[Row], width: int) -> list[str]:
    """Rows of evidence as an aligned table, truncated at ``width``."""
    if not rows:
        return []
    names = list(rows[0])
    cells = (
        [printable(" ".join(str(row.get(name, "")).split())) for name in names] for row in rows
    )
    table = [list(map(printable, names)), *cells]
    widths = [max(len(line[n]) for line in table) for n in range(len(names))]
    lines = ("  ".join(map(str.ljust, line, widths)) for line in table)
    return [line.rstrip()[:width] for line in lines]
