"""How a method was queried when it was measured, kept with it and asked again the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from p5rec.core.artefacts import read_json
from p5rec.core.config import Config, bind
from p5rec.core.errors import input_error

FILE = "method.json"


class ServingConfig(Config):
    """What a method's lists and answers depend on beside its folder and the data.

    Attributes:
        version: of this file's form.
        k: length of the lists that were measured.
        exclude_seen: leave the items of a history out of its list.
        questions: prompt family → held-out rows of ``test`` that were put to it.
        unseen: put them in wordings that no training row had, too.
        seed: of the choice of questions.
        fit_seed: of the fit; histories that are permuted in queries are so under it.
    """

    version: Literal[3] = 3
    k: int = Field(20, ge=1)
    exclude_seen: bool = True
    prompts: dict[str, int] = {}
    held_out_templates: bool = False
    seed: int = 0
    fit_seed: int = 0

    def about(self, split_name: str) -> ServingConfig:
        """The same for a held-out part: prompted families are asked about ``test`` alone."""
        return self if split_name == "test" else self.model_copy(update={"prompts": {}})

    def overridden(self, source: str | Path, **settings: Any) -> ServingConfig:
        """The same with what a request sets itself; None stands for "as saved".

        Args:
            source: what a fault names.

        Raises:
            UserError: the settings do not go together.
        """
        chosen = {name: value for name, value in settings.items() if value is not None}
        return bind(ServingConfig, {**self.dump(), **chosen}, {}, source)


def read_serving(folder: Path) -> ServingConfig | None:
    """How the model in ``folder`` was asked; None where its folder does not say so.

    Raises:
        UserError: the file is damaged, or of a later version.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    tree = read_json(path)
    if not isinstance(tree, dict):
        raise input_error(
            path, "settings by name", type(tree).__name__, "copy the model's folder anew"
        )
    return bind(ServingConfig, tree, {}, path)
