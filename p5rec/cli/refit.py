"""``p5rec refit``: what validation chose, fitted to all events."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .options import spread
from .renewing import Source, chosen_in, leave

if TYPE_CHECKING:
    from p5rec.api.dataset import Dataset
    from p5rec.pipeline.prepared import Prepared
    from p5rec.pipeline.production import Renewed

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@spread
def refit(source: Source) -> None:
    """Fit a method to all events, as validation chose it: settings, weights and epochs.

    Nothing is held out, so the new model cannot be evaluated on these data: its figures are those
    of the model it is made of. Stages are cached, and an interrupted training goes on.
    """
    recipe, data = source.read()
    made = _refitted(source.model, recipe.methods, data, data.of_all_events().prepared())
    leave(made, source.model, source.out)


def _refitted(model: Path, methods: dict[str, Any], data: Dataset, whole: Prepared) -> Renewed:
    """The model in a folder and, before it, the one of its run that it starts from.

    Args:
        methods: sections of the recipe.
        data: as they were split when it was fitted.
        whole: of which every event trains.
    """
    from p5rec.methods.folder import is_fitted
    from p5rec.pipeline.production import refit

    chosen, starts = chosen_in(model, data.config.seed), {}
    start = chosen.method.starts_from
    if start is not None and is_fitted(model.parent / start):
        starts[start] = [_refitted(model.parent / start, methods, data, whole).fitted]
    return refit(chosen, whole, chosen.views(data.prepared, methods), starts)
