"""How a method is queried, saved with it: evaluation and serving query it in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from p5rec.core.artefacts import read_json
from p5rec.core.config import Config, bind
from p5rec.core.errors import input_error
from p5rec.tasks.queries import Count

FILE = "method.json"


class ServingConfig(Config):
    """The settings of a method's predictions, besides its folder and the data.

    Attributes:
        version: of the file format.
        k: length of the evaluated ranked lists.
        lists: evaluate ranked lists.
        exclude_seen: leave the items of a history out of its list.
        prompts: prompt family → number of test instances that the method is evaluated on, or
            ``all``.
        held_out_templates: evaluate on held-out prompt templates, too.
        seed: of the sample of test instances.
        fit_seed: of the fit; histories permuted in queries are permuted under this seed.
    """

    version: Literal[3] = 3
    k: int = Field(20, ge=1)
    lists: bool = True
    exclude_seen: bool = True
    prompts: dict[str, Count] = {}
    held_out_templates: bool = False
    seed: int = 0
    fit_seed: int = 0

    def about(self, split_name: str) -> ServingConfig:
        """The settings for a held-out split: prompt families are evaluated on ``test`` alone."""
        return self if split_name == "test" else self.model_copy(update={"prompts": {}})

    def overridden(self, source: str | Path, **settings: Any) -> ServingConfig:
        """The settings with those of a request; None keeps the saved value.

        Args:
            source: named in error messages.

        Raises:
            UserError: the settings contradict each other.
        """
        overrides = {name: value for name, value in settings.items() if value is not None}
        return bind(ServingConfig, {**self.dump(), **overrides}, {}, source)


def read_serving(folder: Path) -> ServingConfig | None:
    """The serving settings of the model in ``folder``; None: the folder has none.

    Raises:
        UserError: the file is damaged, or of a later version.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    tree = read_json(path)
    if not isinstance(tree, dict):
        raise input_error(
            path, "settings by name", type(tree).__name__, "copy the model's folder again"
        )
    return bind(ServingConfig, tree, {}, path)
