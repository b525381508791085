"""Learning curves: the metrics of a method by the share of the users that it is trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from p5rec.evaluate.blocks import LOWER_IS_BETTER, Block, blocks
from p5rec.evaluate.cost import Curve, learning_curves
from p5rec.evaluate.schema import Report

from .plots import COLOURS, MUTED, PANEL, STYLE, layout, save

MAX_NAMES = 3  # method names in one label
GAP = 0.035  # height of a label, as a share of the panel's


def apart(lines: Mapping[str, float], gap: float) -> list[tuple[str, float]]:
    """Labels of horizontal lines and their heights; lines nearer than ``gap`` share a label."""
    groups: list[list[tuple[float, str]]] = []
    for value, name in sorted((value, name) for name, value in lines.items()):
        if groups and value - groups[-1][0][0] < gap:
            groups[-1].append((value, name))
        else:
            groups.append([(value, name)])
    return [
        (_listed([name for _, name in group]), float(np.mean([value for value, _ in group])))
        for group in groups
    ]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMES + 1
    return ", ".join(names if more < 2 else [*names[: MAX_NAMES - 1], f"{more} more"])


def draw(report: Report, path: Path) -> bool:
    """Draws a panel for each task with learning curves; False, and no file, where there is none."""
    panels = [(block, curves) for block in blocks(report) if (curves := learning_curves(block))]
    if not panels:
        return False
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 1.3 * PANEL * len(panels)), layout=layout())
        for axes, (block, curves) in zip(
            figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True
        ):
            _panel(axes, block, curves)
        save(figure, path)
    return True


def _panel(axes: Axes, block: Block, curves: Mapping[str, Curve]) -> None:
    metric = block.metrics[0]
    colours = cycle(COLOURS)
    for (name, curve), colour in zip(curves.items(), colours, strict=False):
        measures = [method.metrics[metric] for method in curve.values()]
        y, low, high = np.array([(m.value, m.low, m.high) for m in measures], dtype=float).T
        around = np.stack([y - low, high - y])
        axes.errorbar(list(curve), y, around, label=name, color=colour, marker="o", capsize=3)
    drawn = {method.name for curve in curves.values() for method in curve.values()}
    axes.set_xscale("log")
    shares = sorted({share for curve in curves.values() for share in curve})
    axes.set_xticks(shares, [f"{share:.0%}" for share in shares])
    axes.xaxis.set_minor_locator(NullLocator())
    others = {
        method.name: measure.value
        for method in block.methods
        if method.name not in drawn and (measure := method.metrics.get(metric))
        if measure.value is not None
    }
    for value in others.values():
        axes.axhline(value, color=MUTED, linewidth=0.8, linestyle=":")
    for names, value in apart(others, GAP * float(np.ptp(axes.get_ylim()))):
        axes.annotate(
            names, (1.01, value), xycoords=axes.get_yaxis_transform(), fontsize=7,
            va="center", annotation_clip=False,
        )  # fmt: skip
    lower = ", lower is better" if metric in LOWER_IS_BETTER else ""
    axes.set(xlabel="share of the users in training", ylabel=metric + lower)
    axes.set_title(f"{block.task}, {block.split}")
    axes.legend(frameon=False, fontsize=8)
