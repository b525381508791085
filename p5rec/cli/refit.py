"""``p5rec refit``: fits a validated method to all events."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .options import spread
from .production import Source, publish_model, source_model

if TYPE_CHECKING:
    from p5rec.api.dataset import Dataset
    from p5rec.pipeline.prepared import Prepared
    from p5rec.pipeline.production import RenewedModel

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@spread
def refit(source: Source) -> None:
    """Fit a method to all events, with the settings, weights and epochs selected on validation.

    No event is held out, so the new model cannot be evaluated on these data; its metrics are those
    of the original model. Stages are cached, and an interrupted training resumes.
    """
    recipe, data = source.read()
    renewed = _refitted(source.model, recipe, data, data.of_all_events().prepared())
    publish_model(renewed, source.model, source.out)


def _refitted(model: Path, recipe: Any, data: Dataset, everything: Prepared) -> RenewedModel:
    """Refits the model in a folder, after the model of its run that it is initialised from.

    Args:
        model: the folder of the original model.
        recipe: the recipe's methods, texts and vectors.
        data: the data set with the original split.
        everything: the data set with all events for training.
    """
    from p5rec.methods.folder import is_fitted
    from p5rec.pipeline.production import refit
    from p5rec.pipeline.vectors import stored_context

    original, starts = source_model(model, data.config.seed), {}
    start = original.method.starts_from
    if start is not None and is_fitted(model.parent / start):
        starts[start] = [_refitted(model.parent / start, recipe, data, everything).fitted]
    among = replace(stored_context(recipe, everything, [original.nth]), methods=starts)
    return refit(original, everything, original.views(data.prepared, recipe.methods), among)
