"""The report's pictures: metrics with their intervals, training curves, use of item codes.

Figures are created without ``pyplot``, so no state is shared. The colours are those of Okabe and
Ito, which most colour-blind readers can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from itertools import cycle, product
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from p5rec.core.atomic import atomic_write
from p5rec.core.item_codes import ItemCodes
from p5rec.evaluate.blocks import LOWER_IS_BETTER, Block, blocks
from p5rec.evaluate.schema import Report
from p5rec.ids.tokens import level_names

from .numbers import number
from .training_log import LOSS, panel_title, panels, read_log, smoothed

DPI = 100
INK, MUTED, STRONG, SOFT = "#222222", "#767676", "#0072B2", "#A9C6DA"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222")
# line styles of curves with the same colour, and their names in labels
DASHES = {"-": "", "--": " (dashed)", ":": " (dotted)"}
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
    "text.parse_math": False,
}
DRAWN_LEVELS = 8
PANEL_METRICS = 2
PANEL = 2.9  # height in inches
LABEL_GAP = 0.09  # height of a label, as a share of the panel's


class Picture(Figure):
    """A figure that a notebook displays without any set-up of matplotlib."""

    def _repr_png_(self) -> bytes:
        with BytesIO() as png:
            self.savefig(png, format="png", dpi=DPI)
            return png.getvalue()


def metric_bars(report: Report, path: Path) -> None:
    """Writes :func:`metric_figure` as PNG."""
    with matplotlib.rc_context(STYLE):
        save(metric_figure(report), path)


def metric_figure(report: Report) -> Picture:
    """Bars with intervals of the first two main metrics of every task, best method on top."""
    every = blocks(report)
    bars = [len(block.methods) for block in every]
    with matplotlib.rc_context(STYLE):
        figure = Picture(figsize=(9, 0.36 * sum(bars) + 0.85 * len(bars)), layout=layout())
        grid = figure.subplots(
            len(every), PANEL_METRICS, squeeze=False, sharey="row", height_ratios=bars
        )
        for row, block in zip(grid, every, strict=True):
            for axes in row[len(block.metrics) :]:
                axes.set_visible(False)
            for axes, metric in zip(row, block.metrics, strict=False):
                _bars(axes, block, metric)
    return figure


def _bars(axes: Any, block: Block, metric: str) -> None:
    known = [
        (position, method, measure)
        for position, method in enumerate(block.methods)
        if (measure := method.metrics.get(metric)) and measure.value is not None
    ]
    positions = np.array([position for position, _, _ in known])
    values = np.array([m.value for _, _, m in known], dtype=float)
    low = np.array([m.value if m.low is None else m.low for _, _, m in known], dtype=float)
    high = np.array([m.value if m.high is None else m.high for _, _, m in known], dtype=float)
    colours = [STRONG if block.wins(method, metric) else SOFT for _, method, _ in known]
    axes.barh(positions, values, height=0.62, color=colours)
    axes.hlines(positions, low, high, color=INK, linewidth=1.2)
    axes.plot(np.r_[low, high], np.r_[positions, positions], "|", color=INK, markersize=6)
    for position, value, end in zip(positions, values, np.fmax(values, high), strict=True):
        axes.annotate(
            number(value), (end, position), (6, 0), textcoords="offset points", va="center"
        )
    axes.set_yticks(range(len(block.methods)), [method.name for method in block.methods])
    axes.set_ylim(len(block.methods) - 0.5, -0.5)
    axes.set_xlim(0, high.max(initial=0) * 1.2 or 1)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=5)
    lower = " (lower is better)" if metric in LOWER_IS_BETTER else ""
    split = "" if block.split == "test" else f", {block.split}"
    axes.set_title(f"{block.task}{split}: {metric}{lower}")


def training_curves(runs: Mapping[str, Path], path: Path) -> None:
    """Draws the loss of each run by step, and a validation metric below where there is one.

    Args:
        runs: name to its training log (see ``training_log``).
        path: the PNG to write.

    Raises:
        UserError: a training log is missing or damaged.
    """
    logs = {name: read_log(source) for name, source in runs.items()}
    keys = panels(logs.values())
    with matplotlib.rc_context(STYLE):
        crowd = max(1.0, LABEL_GAP * len(runs))  # panels get higher with the number of names
        figure = Figure(figsize=(9, PANEL * crowd * len(keys)), layout=layout())
        grid = figure.subplots(len(keys), 1, squeeze=False, sharex=True)[:, 0]
        for axes, key in zip(grid, keys, strict=True):
            _label_ends(
                axes,
                [
                    (
                        _curve(axes, log[key], colour, dash, smooth=key == LOSS),
                        name + DASHES[dash],
                        colour,
                    )
                    for (name, log), (dash, colour) in zip(
                        logs.items(), cycle(product(DASHES, COLOURS)), strict=False
                    )
                    if key in log
                ],
                LABEL_GAP / crowd,
            )
            axes.set_title(panel_title(key))
        grid[-1].set_xlabel("step")
        save(figure, path)


def _curve(axes: Any, points: np.ndarray, colour: str, dash: str, *, smooth: bool) -> float:
    """Draws one run, as points or as a moving mean over a thin line; returns its last value."""
    steps, values = points
    if not smooth:
        axes.plot(steps, values, dash, color=colour, linewidth=1.5, marker="o", markersize=4)
        return float(values[-1])
    axes.plot(steps, values, color=colour, linewidth=0.8, alpha=0.35)
    steps, values = smoothed(points)
    axes.plot(steps, values, dash, color=colour, linewidth=1.8)
    return float(values[-1])


def _label_ends(axes: Any, ends: list[tuple[float, str, str]], gap: float) -> None:
    """Puts names at the right edge, at the ends of their lines, at least ``gap`` apart.

    ``gap`` is a share of the axes' height.
    """
    low, high = axes.get_ylim()
    ends = sorted(ends)
    heights = [(value - low) / (high - low) for value, _, _ in ends]
    for at in range(1, len(heights)):  # up from the lowest, then down again from the top
        heights[at] = max(heights[at], heights[at - 1] + gap)
    ceiling = 1.0
    for at in reversed(range(len(heights))):
        heights[at] = min(heights[at], ceiling)
        ceiling = heights[at] - gap
    for height, (_, name, colour) in zip(heights, ends, strict=True):
        axes.annotate(name, (1, height), (6, 0), xycoords="axes fraction", color=colour,
                      textcoords="offset points", va="center")  # fmt: skip


def agreement(
    bits: Mapping[str, float], measured: Mapping[str, float], metric: str, path: Path
) -> None:
    """Draws a point for each method: the information in its codes, and its metric."""
    names = sorted((name for name in bits if name in measured), key=lambda name: measured[name])
    x, y = (np.array([values[name] for name in names]) for values in (bits, measured))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, max(4, 1.4 + 0.19 * len(names))), layout=layout())
        axes = figure.subplots()
        axes.plot(x, y, "o", color=STRONG, markersize=5)
        # names in a column at the right, at the height of their points where there is room
        low, high = y.min(), y.max()
        reach = high - low or 1
        height = -0.1
        for name, information, value in zip(names, x, y, strict=True):
            height = max((value - low) / reach, height + 1 / len(names))
            end = axes.get_yaxis_transform(), (1.03, low + height * reach)
            axes.annotate(
                name, (information, value), end[1], textcoords=end[0], va="center", fontsize=8.5,
                arrowprops={"arrowstyle": "-", "color": SOFT, "linewidth": 0.6, "shrinkB": 3},
                annotation_clip=False,
            )  # fmt: skip
        axes.set_ylim(low - 0.08 * reach, low + (max(1, height) + 0.05) * reach)
        axes.set_xlabel(
            "information in the last item's codes about the next item (bits), before training"
        )
        axes.set_ylabel(metric)
        axes.set_title("Information in item codes and results of the models")
        save(figure, path)


def code_usage(schemes: Mapping[str, ItemCodes], path: Path) -> None:
    """Draws items per code: a row for each scheme, a column for each of its first levels."""
    levels = min(DRAWN_LEVELS, max(codes.levels for codes in schemes.values()))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(max(5, 3.2 * levels), 2.6 * len(schemes)), layout=layout())
        grid = figure.subplots(len(schemes), levels, squeeze=False)
        for row, (scheme, codes) in zip(grid, schemes.items(), strict=True):
            row[0].set_ylabel(f"{scheme}\nitems per code")
            for axes in row[codes.levels :]:
                axes.set_visible(False)
            for level, axes in enumerate(row[: min(levels, codes.levels)]):
                _usage(axes, codes, level)
        for axes in grid[-1]:
            axes.set_xlabel("codes, fullest first")
        save(figure, path)


def _usage(axes: Any, codes: ItemCodes, level: int) -> None:
    size = codes.sizes[level]
    counts = np.sort(np.bincount(codes.codes[:, level], minlength=size))[::-1]
    used = int((counts > 0).sum())
    axes.stairs(counts, fill=True, color=SOFT)
    axes.axhline(len(codes) / size, color=STRONG, linewidth=1)
    axes.annotate("even use", (1, len(codes) / size), (0, 3), xycoords=("axes fraction", "data"),
                  textcoords="offset points", ha="right", color=STRONG)  # fmt: skip
    axes.set_xlim(0, size)
    share = f"{100 * used / size:.0f} %"
    axes.set_title(f"{level_names(level + 1)[level]}: {used:,} of {size:,} used, {share}")


def layout() -> ConstrainedLayoutEngine:
    return ConstrainedLayoutEngine(h_pad=0.09, w_pad=0.09)  # inches


def save(figure: Figure, path: Path) -> None:
    with atomic_write(path, "wb") as handle:
        figure.savefig(handle, format="png", dpi=DPI)
