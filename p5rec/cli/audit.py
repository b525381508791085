"""``p5rec audit``: look for the known leaks in a corpus or a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Look for the known leaks in a corpus or a run.")


@app.command()
def audit(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="PATH_OR_CONFIG", help="A YAML, a prepared folder, or a run's folder."
        ),
    ],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")] = None,
) -> None:
    """Print what is suspicious; the exit code is 1 if a leak was found.

    A YAML's `data:` section is read and its corpus checked without writing anything. Leak 2, the
    target inside a prompt, is checked where prompts are rendered, not here.
    """
    from p5rec.core.artefacts import read_json
    from p5rec.core.errors import fault
    from p5rec.data.audit import audit_corpus
    from p5rec.data.build import build
    from p5rec.data.files import existing
    from p5rec.data.lineage_audit import audit_artefacts
    from p5rec.data.prepare import SUMMARY, load_corpus

    from .data import read_config

    if existing(target).is_file():
        corpus, summary = build(read_config(target, None, None, overrides))
        found = audit_corpus(corpus, ordinal=summary["ordinal"])
    else:
        prepared = sorted(path.parent for path in target.rglob(SUMMARY))
        found = audit_artefacts(target)
        for folder in prepared:
            ordinal = read_json(folder / SUMMARY)["ordinal"]
            found += audit_corpus(load_corpus(folder), ordinal=ordinal)
        if not prepared:
            raise fault(target, "prepared data under it", "none", "prepare it, or name a YAML")
    for finding in found:
        print(f"{finding.severity:<8} {finding.check}: {finding.sentence}")
    leaks = sum(finding.severity == "leak" for finding in found)
    print(f"leaks found: {leaks}")
    raise typer.Exit(1 if leaks else 0)
