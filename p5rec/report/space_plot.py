"""A picture of a model's space: its items, its concepts, and what the model writes about points."""

from __future__ import annotations

from pathlib import Path
from textwrap import shorten

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from p5rec.data.space_map import SpaceMap

from .plots import COLOURS, INK, MUTED, STYLE, layout, save

COLOURED = 6  # concepts with a colour of their own
MOST = 120  # characters of a line
LONGEST = 0.45  # length of the longest arrow, as a share of the map's height


def draw_space(space: SpaceMap, path: Path) -> None:
    """Draws a map as PNG: items as dots in the colour of their first concept, concepts as arrows of
    one scale, described points as numbers, whose texts stand below.

    Args:
        space: the map.
        path: the PNG to write.
    """
    lines = [
        shorten(f"{n}  {shorten(name, 40)}: {text}", MOST)
        for n, (name, text) in enumerate(zip(space.names, space.texts, strict=True), 1)
    ]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 6.2 + 0.22 * len(lines)), layout=layout())
        axes, below = figure.subplots(2, 1, height_ratios=[6.2, 0.22 * len(lines) + 0.1])
        items, groups = np.array(space.items), np.array(space.groups)
        shown = np.where(groups < COLOURED, groups, -1)
        axes.scatter(*items[shown < 0].T, s=5, color="#DDDDDD", linewidths=0)
        for n, name in enumerate(space.concepts[:COLOURED]):
            own = shown == n
            axes.scatter(*items[own].T, s=6, color=COLOURS[n], alpha=0.6, linewidths=0, label=name)
        start, arrows = items.mean(axis=0), np.array(space.arrows).reshape(-1, 2)
        longest = np.linalg.norm(arrows, axis=1).max(initial=1e-9)
        arrows *= LONGEST * np.ptp(items[:, 1]) / longest
        for n, (name, arrow) in enumerate(zip(space.concepts, arrows, strict=True)):
            end = start + arrow
            colour = COLOURS[n] if n < COLOURED else MUTED
            way = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.8}
            axes.annotate("", end, start, arrowprops=way)
            side = "left" if arrow[0] > 0 else "right"
            label = axes.annotate(name, end, color=colour, weight="bold", ha=side, va="center")
            label.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
        box = {"boxstyle": "circle,pad=0.2", "facecolor": "white", "edgecolor": INK}
        for n, point in enumerate(space.points, 1):
            axes.annotate(str(n), point, ha="center", va="center", fontsize=8, bbox=box)
        axes.legend(markerscale=3, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
        axes.set(xlabel="first principal component", ylabel="second")
        below.axis("off")
        below.text(0, 1, "\n".join(lines), va="top", fontsize=8, linespacing=1.5)
        save(figure, path)
