"""``p5rec update``: updates a model with the new events of a log."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import spread
from .production import Source, publish_model, source_model

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@spread
def update(
    source: Source,
    share: Annotated[
        float | None,
        typer.Option(help="Share of the epochs of a complete training. Default: 0.2."),
    ] = None,
) -> None:
    """Update an earlier model with a complete log of old and new events.

    Semantic ids of old items do not change. A language model and SASRec continue from their
    weights, trained on the users with new events and as many others; other methods are fitted from
    scratch. news.json lists new users, new items and removed items.
    """
    recipe, data = source.read()
    from p5rec.pipeline.production import SHARE, update
    from p5rec.pipeline.vectors import stored_context

    original = source_model(source.model, data.config.seed)
    prepared = data.of_all_events().prepared()
    among = stored_context(recipe, prepared, [original.nth])
    renewed = update(original, prepared, SHARE if share is None else share, among)
    publish_model(renewed, source.model, source.out)
