"""Shared code of ``p5rec refit`` and ``update``: the original model, and the new model's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from p5rec.core.errors import did_you_mean, input_error
from p5rec.core.terminal import printable

from .options import CONFIG, changes

if TYPE_CHECKING:
    from p5rec.api.dataset import Dataset
    from p5rec.pipeline.production import RenewedModel, SourceModel

MODELS = "models"  # folder in a run's folder


@dataclass(frozen=True, kw_only=True)
class Source:
    """A model, and the data for its refit or update."""

    folder: Annotated[
        Path, typer.Argument(help="A model's folder, or a run's folder (with --method).")
    ]
    overrides: Annotated[list[str] | None, changes("data.path=new.csv")] = None
    method: Annotated[
        str, typer.Option(help="A method of the run; optional if there is only one.")
    ] = ""
    config: Annotated[
        str | None,
        typer.Option(help=f"{CONFIG}, for its data. Default: the config of the model's run."),
    ] = None
    out: Annotated[Path, typer.Option(help="Folder for the new model.")]
    force: Annotated[bool, typer.Option("--force", help="Replace an existing model's folder.")] = (
        False
    )

    @property
    def model(self) -> Path:
        """The model's folder.

        Raises:
            UserError: there is no model, or several.
        """
        models = self.folder / MODELS
        if not models.is_dir():
            return self.folder
        known = sorted(path.name for path in models.iterdir() if path.is_dir())
        name = known[0] if not self.method and len(known) == 1 else self.method
        if name not in known:
            got = repr(name) if name else "none"
            raise input_error("--method", "a method of the run", got, did_you_mean(name, known))
        return models / name

    def _check_free(self) -> None:
        if not self.force and self.out.is_dir() and any(self.out.iterdir()):
            todo = "name a new one, or replace it with --force"
            raise input_error("--out", "a new folder", f"{self.out}, which is not empty", todo)

    def read(self) -> tuple[Any, Dataset]:
        """The recipe's sections and its data.

        Raises:
            UserError: the model or its recipe is missing, or ``out`` is not writable.
        """
        from p5rec.api.dataset import Dataset
        from p5rec.core.errors import all_of
        from p5rec.methods.stored_sections import STORED

        from .inputs import check_model, config_beside, read_sections
        from .outputs import check_folder

        model = self.model
        all_of(lambda: check_model(model), lambda: check_folder(self.out), self._check_free)
        path = config_beside(model, self.config)
        sections = {"methods": (dict[str, Any], {}), **STORED}
        recipe = read_sections(path, self.overrides or [], **sections)
        return recipe, Dataset.from_config(recipe.data)


def source_model(model: Path, split_seed: int) -> SourceModel:
    """The model in a folder, as the source of a refit or an update.

    Raises:
        UserError: the folder has no validated settings.
    """
    from p5rec.methods.provenance import read_provenance
    from p5rec.pipeline.production import SourceModel
    from p5rec.recommend.serving import ServingConfig, read_serving

    serving = read_serving(model) or ServingConfig()
    return SourceModel.of(model, read_provenance(model), serving.fit_seed, split_seed)


def publish_model(renewed: RenewedModel, model: Path, out: Path) -> None:
    """Publishes the new model to ``out`` and prints its summary."""
    from p5rec.api.model import Model
    from p5rec.core.launch import rank
    from p5rec.recommend.serving import ServingConfig, read_serving

    if rank():
        return
    saved, fitted = read_serving(model) or ServingConfig(), renewed.fitted
    serving = saved.model_copy(update={"fit_seed": fitted.seed})
    new = Model(
        fitted.folder, fitted.method, serving, fitted=fitted,
        provenance=renewed.provenance, news=renewed.news,
    )  # fmt: skip
    new.save(out)
    for line in _lines(renewed):
        print(printable(line))
    print(f"model   {out}: serve it with `p5rec recommend`")


def _lines(renewed: RenewedModel) -> list[str]:
    about = renewed.provenance
    single = isinstance(about.fitted.get("fitted"), str)  # no fusion
    components = {renewed.fitted.method.kind: about.fitted} if single else about.fitted
    lines = []
    for name, facts in components.items():
        length = "".join(f", {facts[unit]} {unit}" for unit in ("epochs", "steps") if unit in facts)
        lines.append(f"{name}: {facts['fitted']}{length}")
    events = (
        f"{about.events['events_seen']:,} events, {about.new_events:,} of them new to the model"
    )
    gone = f"{about.gone_events:,} events of the original model are missing in this log"
    return [*lines, events, *([gone] if about.gone_events else []), *renewed.news.lines()]
