"""The weight of the retriever that validation chose, and the seed of queries: ``weight.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from p5rec.core.artefacts import read_json, write_json
from p5rec.core.errors import input_error

FILE = "weight.json"
USERS = 500  # validation users, at most
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
METRIC = "NDCG@10"


def save_choice(folder: Path, values: Mapping[float, float], seed: int) -> None:
    """Writes the best weight, of equal ones the larger.

    Args:
        folder: of the model.
        values: weight → validation metric; empty: there was no validation.
        seed: of the fit, from which queries draw.
    """
    best = max(values, key=lambda weight: (values[weight], weight), default=None)
    metric = {str(weight): value for weight, value in values.items()}
    write_json(folder / FILE, {"weight": best, f"validation {METRIC}": metric, "seed": seed})


def read_choice(folder: Path) -> dict[str, Any]:
    """Weight, the validation metric of each, and the seed.

    Raises:
        UserError: the file is missing.
    """
    if not (folder / FILE).is_file():
        raise input_error(
            folder / FILE, "the file that was saved", "nothing there", "copy the folder again"
        )
    tree: dict[str, Any] = read_json(folder / FILE)
    return tree


def read_weight(folder: Path) -> float:
    """The weight that validation chose.

    Raises:
        UserError: the file is missing, or there was no validation.
    """
    weight = read_choice(folder)["weight"]
    if weight is None:
        raise input_error(folder, "a weight that validation chose", "none", "set weight")
    return float(weight)
