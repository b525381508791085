"""The reports of the committed results, built from their ``report.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from p5rec.evaluate.schema import RECORD, load_report
from p5rec.report import page
from p5rec.report.files import TEXT

DOCS = Path(__file__).parents[1]
RESULTS = ("experiments/results", "results")
PAGE = "full.html"  # mkdocs turns report.md into report.html


def pages() -> Mapping[str, str]:
    """Path below ``docs/`` → page."""
    return {
        (folder.relative_to(DOCS) / PAGE).as_posix(): page.page(load_report(folder), folder)
        for folder in _folders()
    }


def texts() -> list[str]:
    """Paths below ``docs/`` of the short reports."""
    return [(folder.relative_to(DOCS) / TEXT).as_posix() for folder in _folders()]


def _folders() -> list[Path]:
    return sorted(
        record.parent for folder in RESULTS for record in (DOCS / folder).glob(f"*/{RECORD}")
    )
