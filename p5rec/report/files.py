"""A run's report on disk.

``report.json`` holds all results; the pages and pictures are made from it at any time.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from p5rec.core.artefacts import write_json, writing
from p5rec.core.atomic import atomic_write
from p5rec.core.errors import input_error
from p5rec.core.item_codes import ItemCodes
from p5rec.evaluate.schema import RECORD, Report

from . import markdown, page, plots

PAGE, TEXT = "report.html", "report.md"
METRICS, TRAINING, CODES = "plots/metrics.png", "plots/training.png", "plots/codes.png"


def write_report(
    report: Report, folder: Path, codes: Mapping[str, ItemCodes] | None = None
) -> Report:
    """Writes ``report.json``, its two pages and the pictures into ``folder``, each atomically.

    The training logs in ``report.curves`` are copied into the folder, so that the folder can be
    moved and its pages made again.

    Args:
        report: ``curves`` may name files anywhere.
        folder: the run's folder.
        codes: item codes by scheme, for the picture of their usage.

    Returns:
        The report as written, with its pictures and copied curves.

    Raises:
        UserError: the folder cannot be written, or a training log is damaged.
    """
    with writing(folder):
        curves = {
            name: _gather(name, folder / path, folder) for name, path in report.curves.items()
        }
        pictures = {"Metrics with their intervals": METRICS}
        if curves:
            pictures["Training"] = TRAINING
        if codes:
            pictures["Items per code"] = CODES
            plots.code_usage(codes, folder / CODES)
        written = report.model_copy(
            update={"curves": curves, "pictures": pictures | report.pictures}
        )
        write_json(folder / RECORD, written.dump())
    write_pages(written, folder)
    return written


def write_pages(report: Report, folder: Path) -> None:
    """Writes both pages and the pictures of metrics and training of a report.

    Raises:
        UserError: the folder cannot be written, or a training log is missing or damaged.
    """
    with writing(folder):
        plots.metric_bars(report, folder / METRICS)
        if report.curves:
            runs = {name: folder / path for name, path in report.curves.items()}
            plots.training_curves(runs, folder / TRAINING)
        for name, text in (
            (TEXT, markdown.page(report)),
            (PAGE, page.page(report, folder)),
        ):
            with atomic_write(folder / name) as handle:
                handle.write(text)


def _gather(name: str, source: Path, folder: Path) -> str:
    """Copies a training log into ``folder`` unless it is there; returns its path in the folder."""
    path = Path("training") / (re.sub(r"[^\w.-]+", "-", name) + ".jsonl")
    if not source.is_file():
        raise input_error(source, f"the training log of {name}", "no file", "check its path")
    if source.resolve() != (folder / path).resolve():
        with open(source, "rb") as original, atomic_write(folder / path, "wb") as copy:
            shutil.copyfileobj(original, copy)
    return path.as_posix()
