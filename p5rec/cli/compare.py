"""``p5rec compare``: zero-shot, few-shot and fine-tuned beside the baselines, on one footing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def compare(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="On top of the config: data.path=my.csv evaluate.ask.rating=50.",
        ),
    ] = None,
    config: Annotated[
        str, typer.Option(help="A YAML file, a shipped config's name, or a run's folder.")
    ] = "compare",
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report; default: runs/<config's name>.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print the whole config, defaults included, and stop.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write into the folder of a run of another config, too.")
    ] = False,
) -> None:
    """One language model untaught, shown examples, and fine-tuned, beside tuned baselines.

    All answer the same questions about the same users; the tables say what each learned from and
    what an answer costs. It is `p5rec run sft` with a config that poses the comparison.
    """
    from .run import run

    run("sft", overrides, config, out, show, force=force)
