"""What validation chose of a fusion's parts, kept as ``fusion.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from p5rec.core.artefacts import read_json, write_json
from p5rec.core.config import Config, bind
from p5rec.core.errors import input_error

FILE = "fusion.json"


class Choice(Config):
    """The weights and settings of a fusion's parts.

    Attributes:
        weights: of each part, in their order; a part of weight 0 is not asked.
        settings: part → those of its settings that validation chose.
        candidates: part → which of its candidates that is (:class:`.grid.Grid`).
        tie_seed: of the order of items whose scores are equal.
        exclude_seen: whether validation left out the items of histories.
        users: validation users that were asked about; 0: there is none, and nothing was chosen.
        metric: by which was chosen.
        value: of the whole.
        alone: of each part by itself.
        tried: combinations that were measured.
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
        """What :meth:`save` wrote.

        Raises:
            UserError: the file is missing or damaged.
        """
        if not (folder / FILE).is_file():
            raise input_error(
                folder / FILE, "the file that was saved", "nothing there", "copy the folder anew"
            )
        return bind(cls, read_json(folder / FILE), {}, folder / FILE)

    def facts(self) -> dict[str, Any]:
        """For a report, by name."""
        whole = {} if self.value is None else {"fusion": self.value}
        return {
            "weights": self.weights,
            "settings": {name: found for name, found in self.settings.items() if found},
            f"validation {self.metric}": {**whole, **self.alone},
            "configs_tried": max(1, self.tried),
        }
