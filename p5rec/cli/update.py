"""``p5rec update``: a model that goes on over a log that has grown."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import spread
from .renewing import Source, chosen_in, leave

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@spread
def update(
    source: Source,
    share: Annotated[
        float | None,
        typer.Option(help="Of the epochs of a whole training; default: 0.2."),
    ] = None,
) -> None:
    """Let yesterday's model go on over today's log, old events and new ones.

    Semantic ids of old items stay as they are. A language model and SASRec go on from their
    weights, over the users with new events and as many others; what has no weights to go on from
    is fitted anew. New users and items, and items that left, are named in news.json.
    """
    _, data = source.read()
    from p5rec.pipeline.production import SHARE, update

    chosen = chosen_in(source.model, data.config.seed)
    made = update(chosen, data.of_all_events().prepared(), SHARE if share is None else share)
    leave(made, source.model, source.out)
