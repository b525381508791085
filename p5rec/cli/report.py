"""``p5rec report``: show a run's numbers, or make its pages again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def report(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_FOLDER", help="The folder that holds report.json, such as runs/quickstart."
        ),
    ],
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Write report.md and its pictures anew first.")
    ] = False,
) -> None:
    """Print the table of a run and say where its pages are."""
    from p5rec.evaluate.report import PAGE, RECORD, load_report, write_pages
    from p5rec.evaluate.terminal import table

    found = load_report(folder)
    if rebuild:
        write_pages(found, folder)
    print(table(found))
    print(f"\npage: {folder / PAGE}\nrecord: {folder / RECORD}")
    for caption, path in found.pictures.items():
        print(f"{caption.lower()}: {folder / path}")
