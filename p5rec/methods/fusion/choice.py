"""The weights and settings that validation selected for a fusion, saved as ``fusion.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from p5rec.core.artefacts import read_json, write_json
from p5rec.core.config import Config, bind
from p5rec.core.errors import input_error

FILE = "fusion.json"


class Choice(Config):
    """The selected weights and settings of a fusion's components.

    Attributes:
        weights: component → weight, in order; components of weight 0 are not used.
        settings: component → its selected settings.
        candidates: component → the number of its selected candidate (:class:`.grid.Grid`).
        tie_seed: of the order of items with equal scores.
        exclude_seen: whether validation left out the items of histories.
        users: number of validation users; 0: nothing was selected.
        metric: the validation metric.
        value: of the fusion.
        alone: of each component by itself.
        tried: combinations that were evaluated.
    """

    weights: dict[str, float]
    settings: dict[str, dict[str, Any]]
    candidates: dict[str, int]
    tie_seed: int
    exclude_seen: bool
    users: int
    metric: str
    value: float | None
    alone: dict[str, float]
    tried: int

    def save(self, folder: Path) -> None:
        """Writes the file into ``folder``."""
        write_json(folder / FILE, self.dump())

    @classmethod
    def read(cls, folder: Path) -> Choice:
        """The choice that :meth:`save` wrote.

        Raises:
            UserError: the file is missing or damaged.
        """
        if not (folder / FILE).is_file():
            raise input_error(
                folder / FILE, "the file that was saved", "nothing there", "copy the folder again"
            )
        return bind(cls, read_json(folder / FILE), {}, folder / FILE)

    def facts(self) -> dict[str, Any]:
        """Facts for a report, by name."""
        fusion = {} if self.value is None else {"fusion": self.value}
        return {
            "weights": self.weights,
            "settings": {name: settings for name, settings in self.settings.items() if settings},
            f"validation {self.metric}": {**fusion, **self.alone},
            "validation users": self.users,
            "configs_tried": max(1, self.tried),
        }
