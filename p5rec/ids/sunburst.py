"""A picture of the code tree that prints, with the names of its largest first-level nodes."""

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

from p5rec.core.artefacts import atomic_write
from p5rec.core.types import Catalog, ItemCodes

from .captions import LONGEST, captions, count, cut, words_of
from .tones import colours
from .wedges import RINGS, Wedges, wedges

WIDTH, HEIGHT, DPI = 12.0, 9.0, 150  # inches, and dots to each
PAPER, INK, MUTED = "#ffffff", "#222222", "#666666"
CENTRE, RADII = (6.0, 4.15), (0.95, 1.95, 2.75, 3.4)  # inches: the hole, then ring by ring
CAP = 12_000
MARGIN = 0.2
COLUMN = 3.85  # from the centre to where names begin
LINE = 0.185  # height of a line of text
NAME = 2 * LINE + 0.1  # of a name and its number of items
FAR = 0.5  # that a name may be above or below the middle of its wedge
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "text.parse_math": False,
}


def write_png(codes: ItemCodes, catalog: Catalog, path: Path) -> None:
    """The first levels of the tree around a circle, 1,800 by 1,350 pixels.

    Beside it the names of the largest first-level nodes, as many as there is room for.

    Args:
        codes: of N items.
        catalog: the same N items.
        path: the PNG.
    """
    laid = wedges(codes, CAP)
    names, fill = words_of(codes, catalog, laid), colours(laid)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, HEIGHT), facecolor=PAPER)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT))  # in inches
        axes.axis("off")
        _circle(axes, laid, fill)
        _write_codes(axes, laid)
        ruler = _Ruler(figure)
        _write_names(axes, laid, names, fill, ruler)
        headline, size, hidden = captions(codes, laid)
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
    """Of the hole and of each ring's outer edge; fewer rings are wider."""
    return RADII if rings == RINGS else np.linspace(RADII[0], RADII[-1], rings + 1).tolist()


def _circle(axes: Any, laid: Wedges, fill: Sequence[str]) -> None:
    radii = _radii(laid.rings)
    n_items = len(laid.order)
    patches = [
        Wedge(
            CENTRE,
            radii[ring + 1],
            90 - 360 * (first + items) / n_items,
            90 - 360 * first / n_items,
            width=radii[ring + 1] - radii[ring],
        )
        for ring, first, items in zip(laid.ring, laid.first, laid.items, strict=True)
    ]
    arcs = 2 * np.pi * laid.items / n_items * np.take(radii, laid.ring + 1) * 72  # points
    thin = arcs < 2  # too thin for an edge: closed against the paper between neighbours
    axes.add_collection(
        PatchCollection(
            patches,
            facecolors=fill,
            edgecolors=np.where(thin, fill, PAPER),
            linewidths=np.where(thin, 0.3, np.minimum(0.9, 0.15 * arcs)),
        )
    )


def _write_codes(axes: Any, laid: Wedges) -> None:
    """The first codes, on the wedges of the first ring that are wide enough."""
    inner, outer = _radii(laid.rings)[:2]
    radius, middles = (inner + outer) / 2, _middles(laid)
    for wedge in np.flatnonzero((laid.ring == 0) & (laid.node >= 0)):
        text = f"a_{laid.code[wedge]}"
        if 2 * np.pi * radius * laid.items[wedge] / len(laid.order) < 0.09 * len(text):
            continue
        place = CENTRE + radius * middles[wedge]
        axes.text(*place, text, color="white", weight="bold", ha="center", va="center")


def _middles(laid: Wedges) -> np.ndarray:
    """``(W, 2)`` steps of length one from the centre towards the wedges' middles."""
    angle = 2 * np.pi * laid.middle
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)


class _Ruler:
    """How wide text is, in inches."""

    def __init__(self, figure: Figure) -> None:
        self.figure, self.renderer = figure, FigureCanvasAgg(figure).get_renderer()
        self.font = get_font(findfont("DejaVu Sans"))

    def width(self, text: str, **font: Any) -> float:
        drawn = Text(0, 0, text, figure=self.figure, **font)
        return float(drawn.get_window_extent(self.renderer).width / self.figure.dpi)

    def cut(self, text: str, room: float, **font: Any) -> str:
        """The text, shortened if it is wider than ``room``."""
        longest = min(len(text), 3 * LONGEST)
        while longest > 1 and self.width(cut(text, longest), **font) > room:
            longest -= 1 + longest // 20
        return cut(text, longest)

    def can_draw(self, text: str) -> bool:
        """Whether the font has all its letters."""
        return all(self.font.get_char_index(ord(c)) for c in text)


def _write_names(
    axes: Any,
    laid: Wedges,
    names: Sequence[tuple[str, ...]],
    fill: Sequence[str],
    ruler: _Ruler,
) -> None:
    """Words and items of first-level nodes, to the right and left of the circle."""
    middles, outside = _middles(laid), RADII[-1]
    room = WIDTH / 2 - COLUMN - MARGIN
    low, high = MARGIN + LINE, HEIGHT - 1.15 - LINE
    ring = np.flatnonzero(laid.ring == 0)
    for side in (1, -1):
        mine = ring[(middles[ring, 0] >= 0) == (side > 0)]
        wanted = CENTRE[1] + outside * middles[mine, 1]
        chosen, heights = _with_room(wanted, laid.items[mine], low, high)
        for wedge, height in zip(mine[chosen].tolist(), heights.tolist(), strict=True):
            x = CENTRE[0] + side * COLUMN
            words, below = _label(laid, wedge, names[wedge], ruler, room)
            text = {"ha": "left" if side > 0 else "right", "va": "center"}
            axes.text(x, height + LINE / 2, words, weight="bold", **text)
            axes.text(x, height - LINE / 2, below, color=MUTED, size=8.5, **text)
            edge, knee = (CENTRE + (outside + far) * middles[wedge] for far in (0.04, 0.14))
            line = [edge, knee, (x - side * 0.22, height), (x - side * 0.08, height)]
            axes.plot(
                *np.transpose(line), color=fill[wedge], linewidth=1.1, solid_joinstyle="round"
            )


def _label(
    laid: Wedges, wedge: int, words: tuple[str, ...], ruler: _Ruler, room: float
) -> tuple[str, str]:
    items = count(int(laid.items[wedge]), "item")
    if laid.node[wedge] < 0:
        return f"and {laid.nodes[wedge]:,} more", items
    code = f"<a_{laid.code[wedge]}>"
    said = [short for word in words if ruler.can_draw(short := cut(word))]
    while len(said) > 1 and ruler.width(", ".join(said), weight="bold") > room:
        said.pop()
    if not said:
        return code, items
    return ruler.cut(", ".join(said), room, weight="bold"), f"{code}  {items}"


def _with_room(
    wanted: np.ndarray, items: np.ndarray, low: float, high: float
) -> tuple[np.ndarray, np.ndarray]:
    """Which names fit at a side, the largest nodes' first, and their heights, from the top down."""
    chosen, heights = np.zeros(0, dtype=np.int64), np.zeros(0)
    for one in np.argsort(-items, kind="stable").tolist():
        more = np.r_[chosen, one]
        more = more[np.argsort(-wanted[more], kind="stable")]
        if (len(more) - 1) * NAME > high - low:
            break
        tried = _apart(wanted[more], NAME, low, high)
        if np.abs(tried - wanted[more]).max() <= FAR:
            chosen, heights = more, tried
    return chosen, heights


def _apart(wanted: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """Heights, descending and at least ``gap`` apart, near the wanted ones and within bounds."""
    down = np.arange(len(wanted)) * gap
    # without the gaps, heights that only fall are what is wanted: pooled where they rise
    pooled: list[list[float]] = []
    for height in (wanted + down).tolist():
        pooled.append([height, 1.0])
        while len(pooled) > 1 and pooled[-1][0] > pooled[-2][0]:
            (one, n), (two, m) = pooled[-2], pooled[-1]
            pooled[-2:] = [[(one * n + two * m) / (n + m), n + m]]
    level = np.repeat([p[0] for p in pooled], [int(p[1]) for p in pooled])
    return level.clip(low + down[-1], high) - down
