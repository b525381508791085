"""``p5rec compare``: zero-shot, few-shot and fine-tuned models and baselines, same protocol."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import CONFIG, changes, optional_config, spread
from .run import Options, execute, resolve

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@spread
def compare(
    options: Options,
    config: Annotated[
        str | None, typer.Argument(metavar="CONFIG", help=f"{CONFIG}. Default: compare.")
    ] = None,
    overrides: Annotated[
        list[str] | None, changes("data.path=my.csv evaluate.prompts.rating=50")
    ] = None,
) -> None:
    """Compare a language model zero-shot, few-shot and fine-tuned with tuned baselines.

    All methods are evaluated on the same queries of the same users. The tables have the training
    data of each method and the cost of a prediction. The command is `p5rec run sft` with the
    config `compare`.
    """
    config, overrides = optional_config(config, overrides)
    execute(*resolve("sft", config or "compare"), overrides, options)
