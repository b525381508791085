"""The report's pictures: metrics with their intervals, training curves, use of item codes.

Drawn on figures of their own, never through ``pyplot``, so no state is shared. Colours are those
of Okabe and Ito, which most colour-blind readers can tell apart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from p5rec.core.artefacts import atomic_write
from p5rec.core.errors import fault
from p5rec.core.types import ItemCodes

from .blocks import LOWER_IS_BETTER, Block, blocks, number
from .schema import Report

DPI = 100
INK, MUTED, STRONG, SOFT = "#222222", "#767676", "#0072B2", "#A9C6DA"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222")
STYLE = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}
PANEL_METRICS = 2
VALIDATION = "valid_"
FAVOURITE = "valid_HR@10"
LABEL_GAP = 0.09  # of an axes' height


def metric_bars(report: Report, path: Path) -> None:
    """The first two main metrics of every task: a bar a method, best on top, with its interval."""
    shown = [block for block in blocks(report) if block.metrics]
    heights = [0.9 + 0.36 * len(block.methods) for block in shown]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, sum(heights) + 0.3), layout="constrained")
        grid = figure.subplots(
            len(shown), PANEL_METRICS, squeeze=False, sharey="row", height_ratios=heights
        )
        for row, block in zip(grid, shown, strict=True):
            for axes in row[len(block.metrics) :]:
                axes.set_visible(False)
            for axes, metric in zip(row, block.metrics, strict=False):
                _bars(axes, block, metric)
        _save(figure, path)


def _bars(axes: Any, block: Block, metric: str) -> None:
    known = [
        (place, method, measure)
        for place, method in enumerate(block.methods)
        if (measure := method.metrics.get(metric)) and measure.value is not None
    ]
    places = np.array([place for place, _, _ in known])
    values = np.array([m.value for _, _, m in known], dtype=float)
    low = np.array([m.value if m.low is None else m.low for _, _, m in known], dtype=float)
    high = np.array([m.value if m.high is None else m.high for _, _, m in known], dtype=float)
    colours = [STRONG if block.wins(method, metric) else SOFT for _, method, _ in known]
    axes.barh(places, values, height=0.62, color=colours)
    axes.errorbar(values, places, xerr=[values - low, high - values], fmt="none", ecolor=INK,
                  elinewidth=1.2, capsize=2.5)  # fmt: skip
    for place, value, end in zip(places, values, high, strict=True):
        axes.annotate(number(value), (end, place), (6, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(block.methods)), [method.name for method in block.methods])
    axes.set_ylim(len(block.methods) - 0.5, -0.5)
    axes.set_xlim(0, max(high.max(initial=0) * 1.18, 1e-6))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=5)
    lower = ", lower is better" if metric in LOWER_IS_BETTER else ""
    axes.set_title(f"{metric}  ({block.task}, {block.split}{lower})")


def training_curves(runs: Mapping[str, Path], path: Path) -> None:
    """Loss per step of each run, and below it the validation metric where there is one.

    Args:
        runs: name to ``metrics.jsonl``, a JSON object a line with ``step`` and ``loss`` or
            ``valid_...`` keys.
        path: the PNG.

    Raises:
        UserError: a record is missing or broken.
    """
    logs = {name: _read(source) for name, source in runs.items()}
    keys = dict.fromkeys(key for log in logs.values() for key in log if key != "loss")
    validated = FAVOURITE if FAVOURITE in keys else next(iter(keys), None)
    panels = ["loss"] + ([validated] if validated else [])
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 2.9 * len(panels)), layout="constrained")
        grid = figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0]
        for axes, key in zip(grid, panels, strict=True):
            ends = []
            for turn, (name, log) in enumerate(logs.items()):
                if key in log:
                    colour = COLOURS[turn % len(COLOURS)]
                    ends.append((name, colour, _curve(axes, *log[key], colour, key)))
            title = (
                "Training loss" if key == "loss" else f"{key.removeprefix(VALIDATION)}, validation"
            )
            axes.set_title(title)
            _label_ends(axes, ends)
        grid[-1].set_xlabel("step")
        _save(figure, path)


def _read(source: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The loss and each validation metric of a record: steps and values."""
    found: dict[str, list[tuple[float, float]]] = {}
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise fault(source, "a training record", "nothing there", "train again") from None
    for place, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            step = float(entry["step"])
        except (ValueError, KeyError, TypeError):
            todo = "remove the line"
            raise fault(source, "a JSON object with a step", line[:40], todo, line=place) from None
        for key, value in entry.items():
            if (key == "loss" or key.startswith(VALIDATION)) and isinstance(value, int | float):
                found.setdefault(key, []).append((step, value if isfinite(value) else np.nan))
    return {key: tuple(np.array(points).T) for key, points in found.items()}  # type: ignore[misc]


def _curve(
    axes: Any, steps: np.ndarray, values: np.ndarray, colour: str, key: str
) -> tuple[float, float]:
    """Draws one run and says where its line ends: the loss smoothed over its own thin trace."""
    if key != "loss":
        axes.plot(steps, values, color=colour, linewidth=1.5, marker="o", markersize=4)
        return steps[-1], values[-1]
    width = max(1, len(values) // 25)
    smooth = np.convolve(values, np.ones(width) / width, mode="valid")
    middle = np.convolve(steps, np.ones(width) / width, mode="valid")
    axes.plot(steps, values, color=colour, linewidth=0.8, alpha=0.35 if width > 1 else 1)
    axes.plot(middle, smooth, color=colour, linewidth=1.8)
    return steps[-1], smooth[-1]


def _label_ends(axes: Any, ends: list[tuple[str, str, tuple[float, float]]]) -> None:
    """Names at the right edge, at the height where their lines end, pushed apart if need be."""
    low, high = axes.get_ylim()
    floor = -np.inf
    for name, colour, (_, value) in sorted(ends, key=lambda end: end[2][1]):
        floor = max((value - low) / (high - low), floor + LABEL_GAP)
        axes.annotate(name, (1, floor), (6, 0), xycoords="axes fraction", color=colour,
                      textcoords="offset points", va="center")  # fmt: skip


def code_usage(schemes: Mapping[str, ItemCodes], path: Path) -> None:
    """Items per code, a row a scheme and a column a level, the fullest code first."""
    levels = max(codes.levels for codes in schemes.values())
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(max(5, 3.2 * levels), 2.6 * len(schemes)), layout="constrained")
        grid = figure.subplots(len(schemes), levels, squeeze=False)
        for row, (scheme, codes) in zip(grid, schemes.items(), strict=True):
            row[0].set_ylabel(f"{scheme}\nitems per code")
            for axes in row[codes.levels :]:
                axes.set_visible(False)
            for level, axes in enumerate(row[: codes.levels]):
                _usage(axes, codes, level)
        for axes in grid[-1]:
            axes.set_xlabel("codes, fullest first")
        _save(figure, path)


def _usage(axes: Any, codes: ItemCodes, level: int) -> None:
    size = codes.sizes[level]
    counts = np.sort(np.bincount(codes.codes[:, level], minlength=size))[::-1]
    used = int((counts > 0).sum())
    axes.stairs(counts, fill=True, color=SOFT)
    axes.axhline(len(codes) / size, color=STRONG, linewidth=1)
    axes.annotate("even use", (1, len(codes) / size), (0, 3), xycoords=("axes fraction", "data"),
                  textcoords="offset points", ha="right", color=STRONG)  # fmt: skip
    axes.set_xlim(0, size)
    axes.set_title(f"level {ascii_lowercase[level]}: {used:,} of {size:,} used ({used / size:.0%})")


def _save(figure: Figure, path: Path) -> None:
    with atomic_write(path, "wb") as handle:
        figure.savefig(handle, format="png", dpi=DPI)
