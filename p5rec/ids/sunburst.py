"""A printable sunburst plot of the code tree, with names of the largest first-level nodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.patches import Wedge
from matplotlib.text import Text

from p5rec.core.atomic import atomic_write
from p5rec.core.item_codes import ItemCodes
from p5rec.core.types import Catalog

from .captions import LONGEST, captions, count, cut, wedge_words
from .tones import colours
from .wedges import RINGS, Wedges, wedges

WIDTH, HEIGHT, DPI = 12.0, 9.0, 150  # inches, and dots per inch
PAPER, INK, MUTED = "#ffffff", "#222222", "#666666"
CENTRE, RADII = (
    (6.0, 4.15),
    (0.95, 1.95, 2.75, 3.4),
)  # inches: radius of the hole, then of each ring
CAP = 12_000
MARGIN = 0.2
COLUMN = 3.85  # distance from the centre to the names
LINE = 0.185  # height of a line of text
NAME = 2 * LINE + 0.1  # height of a name and its number of items
FAR = 0.5  # largest vertical distance of a name from the middle of its wedge
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "text.parse_math": False,
}


def write_png(codes: ItemCodes, catalog: Catalog, path: Path) -> None:
    """Plots the first levels of the tree around a circle, 1,800 by 1,350 pixels.

    As many of the largest first-level nodes as fit have a name beside the circle.

    Args:
        codes: codes of N items.
        catalog: the same N items.
        path: the PNG file.
    """
    layout = wedges(codes, CAP)
    names, fill = wedge_words(codes, catalog, layout), colours(layout)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, HEIGHT), facecolor=PAPER)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT))  # in inches
        axes.axis("off")
        _circle(axes, layout, fill)
        _write_codes(axes, layout)
        ruler = _Ruler(figure)
        _write_names(axes, layout, names, fill, ruler)
        headline, size, hidden = captions(codes, layout)
        large: dict[str, Any] = {"size": 15, "weight": "bold"}
        title = ruler.cut(headline, WIDTH - 2 * MARGIN, **large)
        axes.text(MARGIN, HEIGHT - 0.4, title, va="center", **large)
        for line, text in enumerate((size, hidden)):
            short = ruler.cut(text, WIDTH - 2 * MARGIN)
            axes.text(MARGIN, HEIGHT - 0.72 - 0.2 * line, short, color=MUTED, va="center")
        x, y = CENTRE
        number, items = count(len(codes), "item").split()
        axes.text(x, y, number, size=20, weight="bold", ha="center", va="bottom")
        axes.text(x, y - 0.05, items, size=11, color=MUTED, ha="center", va="top")
        with atomic_write(path, "wb") as handle:
            figure.savefig(handle, format="png", dpi=DPI, metadata={"Software": None})


def _radii(rings: int) -> Sequence[float]:
    """Radii of the hole and of each ring's outer edge; fewer rings are wider."""
    return RADII if rings == RINGS else np.linspace(RADII[0], RADII[-1], rings + 1).tolist()


def _circle(axes: Any, layout: Wedges, fill: Sequence[str]) -> None:
    radii = _radii(layout.rings)
    n_items = len(layout.order)
    patches = [
        Wedge(
            CENTRE,
            radii[ring + 1],
            90 - 360 * (first + items) / n_items,
            90 - 360 * first / n_items,
            width=radii[ring + 1] - radii[ring],
        )
        for ring, first, items in zip(layout.ring, layout.first, layout.items, strict=True)
    ]
    arcs = 2 * np.pi * layout.items / n_items * np.take(radii, layout.ring + 1) * 72  # points
    thin = arcs < 2  # too thin for an edge: filled, so no background shows between neighbours
    axes.add_collection(
        PatchCollection(
            patches,
            facecolors=fill,
            edgecolors=np.where(thin, fill, PAPER),
            linewidths=np.where(thin, 0.3, np.minimum(0.9, 0.15 * arcs)),
        )
    )


def _write_codes(axes: Any, layout: Wedges) -> None:
    """Writes the first codes on the wedges of the first ring that are wide enough."""
    inner, outer = _radii(layout.rings)[:2]
    radius, middles = (inner + outer) / 2, _middles(layout)
    for wedge in np.flatnonzero((layout.ring == 0) & (layout.node >= 0)):
        text = f"a_{layout.code[wedge]}"
        if 2 * np.pi * radius * layout.items[wedge] / len(layout.order) < 0.09 * len(text):
            continue
        position = CENTRE + radius * middles[wedge]
        axes.text(*position, text, color="white", weight="bold", ha="center", va="center")


def _middles(layout: Wedges) -> np.ndarray:
    """``(W, 2)`` unit vectors from the centre to the middles of the wedges."""
    angle = 2 * np.pi * layout.middle
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)


class _Ruler:
    """Measures text widths in inches."""

    def __init__(self, figure: Figure) -> None:
        self.figure, self.renderer = figure, FigureCanvasAgg(figure).get_renderer()
        self.font = get_font(findfont("DejaVu Sans"))

    def width(self, text: str, **font: Any) -> float:
        rendered = Text(0, 0, text, figure=self.figure, **font)
        return float(rendered.get_window_extent(self.renderer).width / self.figure.dpi)

    def cut(self, text: str, width: float, **font: Any) -> str:
        """The text, shortened to ``width``."""
        longest = min(len(text), 3 * LONGEST)
        while longest > 1 and self.width(cut(text, longest), **font) > width:
            longest -= 1 + longest // 20
        return cut(text, longest)

    def can_draw(self, text: str) -> bool:
        """Whether the font has all its letters."""
        return all(self.font.get_char_index(ord(c)) for c in text)


def _write_names(
    axes: Any,
    layout: Wedges,
    names: Sequence[tuple[str, ...]],
    fill: Sequence[str],
    ruler: _Ruler,
) -> None:
    """Writes names and item counts of first-level nodes to the right and left of the circle."""
    middles, outside = _middles(layout), RADII[-1]
    width = WIDTH / 2 - COLUMN - MARGIN
    low, high = MARGIN + LINE, HEIGHT - 1.15 - LINE
    ring = np.flatnonzero(layout.ring == 0)
    for side in (1, -1):
        own = ring[(middles[ring, 0] >= 0) == (side > 0)]
        wanted = CENTRE[1] + outside * middles[own, 1]
        chosen, heights = _fitting_names(wanted, layout.items[own], low, high)
        for wedge, height in zip(own[chosen].tolist(), heights.tolist(), strict=True):
            x = CENTRE[0] + side * COLUMN
            words, items = _label(layout, wedge, names[wedge], ruler, width)
            text = {"ha": "left" if side > 0 else "right", "va": "center"}
            axes.text(x, height + LINE / 2, words, weight="bold", **text)
            axes.text(x, height - LINE / 2, items, color=MUTED, size=8.5, **text)
            edge, knee = (CENTRE + (outside + far) * middles[wedge] for far in (0.04, 0.14))
            line = [edge, knee, (x - side * 0.22, height), (x - side * 0.08, height)]
            axes.plot(
                *np.transpose(line), color=fill[wedge], linewidth=1.1, solid_joinstyle="round"
            )


def _label(
    layout: Wedges, wedge: int, words: tuple[str, ...], ruler: _Ruler, width: float
) -> tuple[str, str]:
    items = count(int(layout.items[wedge]), "item")
    if layout.node[wedge] < 0:
        return f"and {layout.nodes[wedge]:,} more", items
    code = f"<a_{layout.code[wedge]}>"
    fitting = [short for word in words if ruler.can_draw(short := cut(word))]
    while len(fitting) > 1 and ruler.width(", ".join(fitting), weight="bold") > width:
        fitting.pop()
    if not fitting:
        return code, items
    return ruler.cut(", ".join(fitting), width, weight="bold"), f"{code}  {items}"


def _fitting_names(
    wanted: np.ndarray, items: np.ndarray, low: float, high: float
) -> tuple[np.ndarray, np.ndarray]:
    """The names that fit on one side, chosen by node size, and their heights from the top down."""
    chosen, heights = np.zeros(0, dtype=np.int64), np.zeros(0)
    for one in np.argsort(-items, kind="stable").tolist():
        more = np.r_[chosen, one]
        more = more[np.argsort(-wanted[more], kind="stable")]
        if (len(more) - 1) * NAME > high - low:
            break
        tried = _spread(wanted[more], NAME, low, high)
        if np.abs(tried - wanted[more]).max() <= FAR:
            chosen, heights = more, tried
    return chosen, heights


def _spread(wanted: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """Heights, descending and at least ``gap`` apart, near the wanted ones and within bounds."""
    down = np.arange(len(wanted)) * gap
    # isotonic regression: without the gaps, heights must not rise; rising ones are pooled
    pooled: list[list[float]] = []
    for height in (wanted + down).tolist():
        pooled.append([height, 1.0])
        while len(pooled) > 1 and pooled[-1][0] > pooled[-2][0]:
            (one, n), (two, m) = pooled[-2], pooled[-1]
            pooled[-2:] = [[(one * n + two * m) / (n + m), n + m]]
    level = np.repeat([p[0] for p in pooled], [int(p[1]) for p in pooled])
    return level.clip(low + down[-1], high) - down
