"""``p5rec compare``: zero-shot, few-shot and fine-tuned models and baselines, same protocol."""

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
    """Compare a language model zero-shot, few-shot and fine-tuned with tuned baselines.

    All methods are evaluated on the same queries of the same users. The tables have the training
    data of each method and the cost of a prediction. The command is `p5rec run sft` with the
    config `compare`.
    """
    execute(*resolve("sft", config), overrides or [], options)
