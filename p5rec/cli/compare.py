"""``p5rec compare``: zero-shot, few-shot and fine-tuned beside the baselines, on one footing."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import changes, spread
from .run import ConfigFile, Options, execute, resolve

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@spread
def compare(
    options: Options,
    overrides: Annotated[
        list[str] | None, changes("data.path=my.csv evaluate.prompts.rating=50")
    ] = None,
    config: ConfigFile = "compare",
) -> None:
    """One language model untaught, shown examples, and fine-tuned, beside tuned baselines.

    All answer the same questions about the same users; the tables say what each learned from and
    what an answer costs. It is `p5rec run sft` with a config that poses the comparison.
    """
    execute(*resolve("sft", config), overrides or [], options)
