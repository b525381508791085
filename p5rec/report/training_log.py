"""The log of a training run: ``metrics.jsonl``, its losses and validation metrics by step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path

import numpy as np

from p5rec.core.errors import input_error

LOSS = "loss"
VALIDATION = "valid_"
PREFERRED = "valid_HR@10"

Log = Mapping[str, np.ndarray]


def read_log(source: Path) -> Log:
    """The loss and each validation metric of a training log, ``(2, n)`` steps and finite values.

    Args:
        source: one JSON object a line, with ``step`` and ``loss`` or ``valid_...`` keys.

    Raises:
        UserError: the log is missing or damaged.
    """
    series: dict[str, list[tuple[float, float]]] = {}
    try:
        lines = source.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        raise input_error(source, "a training log", "no file", "run its recipe again") from None
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            step = float(entry["step"])
        except (ValueError, KeyError, TypeError):
            todo = "remove the line"
            raise input_error(
                source, "a JSON object with a step", line[:40], todo, line=number
            ) from None
        for key, value in entry.items():
            if not (key == LOSS or key.startswith(VALIDATION)):
                continue
            if isinstance(value, int | float) and isfinite(value):
                series.setdefault(key, []).append((step, value))
    return {key: np.array(points).T for key, points in series.items()}


def panels(logs: Iterable[Log]) -> list[str]:
    """The keys to draw: the loss, and one validation metric where there is any."""
    keys = dict.fromkeys(key for log in logs for key in log if key != LOSS)
    validated = PREFERRED if PREFERRED in keys else next(iter(keys), None)
    return [LOSS] + ([validated] if validated else [])


def panel_title(key: str) -> str:
    """The title of a panel."""
    return "Training loss" if key == LOSS else f"{key.removeprefix(VALIDATION)} on validation"


def smoothed(points: np.ndarray) -> np.ndarray:
    """The moving mean of ``(2, n)`` points over a twenty-fifth of them."""
    width = max(1, points.shape[1] // 25)
    return np.stack([np.convolve(x, np.ones(width) / width, mode="valid") for x in points])
