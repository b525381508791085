"""What ``p5rec refit`` and ``update`` share: the model they start from, the one they leave."""

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
    from p5rec.pipeline.production import Chosen, Renewed

MODELS = "models"  # of a run's folder


@dataclass(frozen=True, kw_only=True)
class Source:
    """A model, and the data that it is renewed on."""

    folder: Annotated[
        Path, typer.Argument(help="A model's folder, or a run's folder beside --method.")
    ]
    overrides: Annotated[list[str] | None, changes("data.path=new.csv")] = None
    method: Annotated[
        str, typer.Option(help="Which of a run's methods; not needed where it has one.")
    ] = ""
    config: Annotated[
        str | None,
        typer.Option(help=f"{CONFIG}, whose data are read; default: the run of the model."),
    ] = None
    out: Annotated[Path, typer.Option(help="Folder for the new model.")]
    force: Annotated[
        bool, typer.Option("--force", help="Replace the folder of a model that is there.")
    ] = False

    @property
    def model(self) -> Path:
        """The model's folder.

        Raises:
            UserError: there is none, or several.
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
            todo = "name a new one, or replace what is there with --force"
            raise input_error("--out", "a new folder", f"{self.out}, which is not empty", todo)

    def read(self) -> tuple[Any, Dataset]:
        """The recipe's sections, and its data.

        Raises:
            UserError: the model or its recipe is not there, or nothing can be written to ``out``.
        """
        from p5rec.api.dataset import Dataset
        from p5rec.core.errors import all_of

        from .inputs import check_model, config_beside, read_sections
        from .outputs import check_folder

        model = self.model
        all_of(lambda: check_model(model), lambda: check_folder(self.out), self._check_free)
        path = config_beside(model, self.config)
        recipe = read_sections(path, self.overrides or [], methods=(dict[str, Any], {}))
        return recipe, Dataset.from_config(recipe.data)


def chosen_in(model: Path, split_seed: int) -> Chosen:
    """The model in a folder, as others are made of it.

    Raises:
        UserError: the folder does not say what validation chose.
    """
    from p5rec.methods.provenance import read_provenance
    from p5rec.pipeline.production import Chosen
    from p5rec.recommend.serving import ServingConfig, read_serving

    serving = read_serving(model) or ServingConfig()
    return Chosen.of(model, read_provenance(model), serving.fit_seed, split_seed)


def leave(made: Renewed, model: Path, out: Path) -> None:
    """Writes the model that was made of that in ``model`` into ``out``, and says what it is."""
    from p5rec.api.model import Model
    from p5rec.core.launch import rank
    from p5rec.recommend.serving import ServingConfig, read_serving

    if rank():
        return
    saved, fitted = read_serving(model) or ServingConfig(), made.fitted
    serving = saved.model_copy(update={"fit_seed": fitted.seed})
    new = Model(
        fitted.folder, fitted.method, serving, fitted=fitted,
        provenance=made.provenance, news=made.news,
    )  # fmt: skip
    new.save(out)
    for line in _lines(made):
        print(printable(line))
    print(f"model   {out}: ask it with `p5rec recommend`")


def _lines(made: Renewed) -> list[str]:
    about = made.provenance
    whole = isinstance(about.fitted.get("fitted"), str)  # no fusion of parts
    parts = {made.fitted.method.kind: about.fitted} if whole else about.fitted
    found = []
    for name, facts in parts.items():
        length = "".join(f", {facts[unit]} {unit}" for unit in ("epochs", "steps") if unit in facts)
        found.append(f"{name}: {facts['fitted']}{length}")
    seen = f"{about.events['events_seen']:,} events, {about.new_events:,} of them new to the model"
    gone = f"{about.gone_events:,} events that the model had seen are not in this log"
    return [*found, seen, *([gone] if about.gone_events else []), *made.news.lines()]
