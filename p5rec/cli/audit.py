"""``p5rec audit``: look for the known leaks in a corpus or a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p5rec.core.errors import fault

if TYPE_CHECKING:
    from p5rec.data.audit import Finding

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def audit(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="PATH_OR_CONFIG", help="A YAML, a prepared folder, a run's folder, or a store."
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="On top of a YAML: data.split=time."),
    ] = None,
) -> None:
    """Print what is suspicious; the exit code is 1 if a leak was found.

    A YAML's `data:` section is read and its corpus checked without writing anything. Leak 2, the
    target inside a prompt, is checked where prompts are rendered, not here.
    """
    from p5rec.data.audit import audit_corpus
    from p5rec.data.build import build
    from p5rec.data.files import existing

    from .data import read_config

    if existing(target).is_file():
        corpus, summary = build(read_config(target, None, None, overrides))
        found = audit_corpus(corpus, ordinal=summary["ordinal"])
    else:
        found = _of_folder(target)
    for finding in found:
        print(f"{finding.severity:<8} {finding.check}: {finding.sentence}")
    leaks = sum(finding.severity == "leak" for finding in found)
    print(f"leaks found: {leaks}")
    raise typer.Exit(1 if leaks else 0)


def _of_folder(target: Path) -> list[Finding]:
    """Findings about a prepared folder, a store, or the artefacts behind a run's report."""
    from p5rec.core.artefacts import read_json
    from p5rec.core.paths import cache_home
    from p5rec.data.audit import audit_corpus
    from p5rec.data.lineage_audit import artefacts_under, audit_artefacts, behind
    from p5rec.data.prepare import SUMMARY, load_corpus
    from p5rec.evaluate.report import RECORD, load_report

    if (target / RECORD).is_file():
        root = cache_home() / "store"
        keys = load_report(target).manifest.get("artefacts", {}).values()
        artefacts = behind(keys, artefacts_under(root))
        prepared = [a.path for a in artefacts.values() if (a.path / SUMMARY).is_file()]
    else:
        root, artefacts = target, artefacts_under(target)
        prepared = sorted(path.parent for path in target.rglob(SUMMARY))
    if not prepared:
        raise fault(root, "the prepared data behind it", "none", "run it again, or name a YAML")
    found = audit_artefacts(root, artefacts)
    for folder in prepared:
        found += audit_corpus(load_corpus(folder), ordinal=read_json(folder / SUMMARY)["ordinal"])
    return found
