"""Pictures of the code tree: one that prints, and a page that zooms.

A node's angle is its share of the items, a ring is a level. Hue goes round the circle with the
first code, lightness goes out with the level. What there is no room for is folded: the smallest
nodes of a parent become one wedge, "and n more".
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from string import ascii_lowercase
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

from .names import node_names
from .prefixes import prefix_groups, rank_in_run

RINGS = 3
CAP = 4_000  # wedges of the page
EXAMPLES = 5
LONGEST = 120  # characters of a title
FOLDED = "#bdbdbb"


@dataclass(frozen=True, eq=False)
class Wedges:
    """W wedges, ring by ring, each ring in order of angle.

    Children follow the order of their codes, folded ones come last. A wedge spans the turn from
    ``first / N`` to ``(first + items) / N``.

    Attributes:
        ring: ``(W,)`` int64, 0 at the first level.
        parent: ``(W,)`` int64, the wedge inside of it; -1 in the first ring.
        code: ``(W,)`` int64, its last code; -1 where nodes are folded.
        node: ``(W,)`` int64, its number among the prefixes of its level; -1 where folded.
        nodes: ``(W,)`` int64, how many nodes it stands for; 1 where not folded.
        first, items: ``(W,)`` int64, its items are ``order[first : first + items]``.
        order: ``(N,)`` int64 item rows, clockwise.
    """

    ring: np.ndarray
    parent: np.ndarray
    code: np.ndarray
    node: np.ndarray
    nodes: np.ndarray
    first: np.ndarray
    items: np.ndarray
    order: np.ndarray

    def __len__(self) -> int:
        return len(self.ring)

    @property
    def rings(self) -> int:
        """How many there are."""
        return int(self.ring.max(initial=-1)) + 1

    @property
    def top(self) -> np.ndarray:
        """``(W,)`` the wedge of the first ring that each one belongs to."""
        top = np.arange(len(self))
        for _ in range(self.rings - 1):
            top = np.where(self.parent[top] < 0, top, self.parent[top])
        return top

    def examples(self, k: int = EXAMPLES) -> list[np.ndarray]:
        """Per wedge up to k item rows, evenly spread over its items."""
        many = np.minimum(self.items, k)[:, None]
        steps = ((np.arange(k) + 0.5) / many * self.items[:, None]).astype(np.int64)
        return [
            self.order[first + step[:n]]
            for first, step, n in zip(self.first, steps, many[:, 0], strict=True)
        ]


def wedges(codes: ItemCodes, rings: int = RINGS, cap: int = CAP) -> Wedges:
    """Lays the tree of codes around a circle.

    Args:
        codes: of N items.
        rings: how many levels to show at most.
        cap: how many wedges to show at most, at least 2. Where a level has more nodes than are
            left of it, each parent keeps its largest one, then the largest of all are kept, in
            turn among parents where they are equal; the rest is folded, a wedge a parent. A level
            for which not even that is left is not shown.

    Returns:
        The wedges; children's items add up to their parent's.
    """
    above = np.zeros(len(codes), dtype=np.int64)  # the wedge inside each item's, within its ring
    first_above, base, used = np.zeros(1, dtype=np.int64), -1, 0
    parts, places = [], []
    for ring in range(min(rings, codes.levels)):
        groups = prefix_groups(codes.codes, ring + 1)
        _, rows, sizes = np.unique(groups, return_index=True, return_counts=True)
        kept = _kept(sizes, above[rows], cap - used)
        if kept is None:
            break
        part, of_group = _ring(codes.codes[rows, ring], sizes, above[rows], kept)
        ends = np.cumsum(part["items"])
        before = ends - part["items"]
        inside = part["parent"]
        part["first"] = first_above[inside] + before - before[np.searchsorted(inside, inside)]
        part["ring"] = np.full(len(inside), ring)
        part["parent"] = inside + base if ring else np.full(len(inside), -1)
        place = of_group[groups]
        parts.append(part)
        places.append(place)
        above = np.where((place >= 0) & (part["node"][place] >= 0), place, -1)
        first_above, base, used = part["first"], used, used + len(inside)
    # within the innermost wedges that differ, then by code
    order = np.lexsort((*codes.codes.T[::-1], *places[::-1]))
    return Wedges(**{k: np.concatenate([p[k] for p in parts]) for k in parts[0]}, order=order)


def _kept(sizes: np.ndarray, parent: np.ndarray, room: int) -> np.ndarray | None:
    """``(G,)`` bool, which nodes of a level stay unfolded; None where there is no room for it."""
    shown = parent >= 0
    if shown.sum() <= room:
        return shown
    nodes = np.flatnonzero(shown)
    nodes = nodes[np.lexsort((nodes, -sizes[nodes], parent[nodes]))]
    rank = rank_in_run(parent[nodes])
    n_parents = int((rank == 0).sum())
    if room < 2 * n_parents:
        return None
    kept = np.zeros(len(sizes), dtype=bool)
    best = np.lexsort((rank, -sizes[nodes], rank > 0))[: room - n_parents]
    kept[nodes[best]] = True
    folded = np.bincount(parent[shown & ~kept], minlength=int(parent.max()) + 1)
    return kept | (shown & (folded[parent] == 1))  # one alone takes no more room than its fold


def _ring(
    code: np.ndarray, sizes: np.ndarray, parent: np.ndarray, kept: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The wedges of a level, and the wedge ``(G,)`` of each node, -1 where it has none."""
    fold = (parent >= 0) & ~kept
    parents, of_fold, nodes = np.unique(parent[fold], return_inverse=True, return_counts=True)
    none = np.full(len(parents), -1)
    part = {
        "parent": np.r_[parent[kept], parents],
        "code": np.r_[code[kept].astype(np.int64), none],
        "node": np.r_[np.flatnonzero(kept), none],
        "nodes": np.r_[np.ones(int(kept.sum()), dtype=np.int64), nodes],
        "items": np.r_[sizes[kept], np.bincount(of_fold, sizes[fold]).astype(np.int64)],
    }
    order = np.lexsort((part["code"], part["code"] < 0, part["parent"]))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    of_group = np.full(len(sizes), -1)
    of_group[kept] = place[: int(kept.sum())]
    of_group[fold] = place[int(kept.sum()) :][of_fold]
    return {name: column[order] for name, column in part.items()}, of_group


# --- what both pictures say -----------------------------------------------------------------------

LIGHTNESS, CHROMA = (0.53, 0.67, 0.80), (0.135, 0.125, 0.085)  # by ring
ALTERNATE = 0.014  # lightness by which neighbours differ
SPREAD, WIDEST = 0.55, 40.0  # of the hues between first codes, and in degrees
START = 25.0  # degrees, a red


def colours(laid: Wedges) -> list[str]:
    """``(W,)`` colours ``#rrggbb``: hue by the first code, lightness by the ring (in OKLCH)."""
    top, n_tops = laid.top, int((laid.ring == 0).sum())
    middle = (laid.first + laid.items / 2) / len(laid.order)
    # half by their number, half by their share: neighbours differ, be they many or of all sizes
    step = 180 * (1 / n_tops + laid.items[top] / len(laid.order))
    within = (middle - middle[top]) * len(laid.order) / laid.items[top]
    hue = START + 180 * (top / n_tops + middle[top]) + np.minimum(SPREAD * step, WIDEST) * within
    parity = rank_in_run(laid.parent) % 2 * 2 - 1
    lightness = np.take(LIGHTNESS, laid.ring, mode="clip") + ALTERNATE * parity
    chroma = np.take(CHROMA, laid.ring, mode="clip")
    found = _hex(lightness, chroma, np.deg2rad(hue))
    return [FOLDED if node < 0 else colour for node, colour in zip(laid.node, found, strict=True)]


# Ottosson 2020, "A perceptual color space for image processing": from OKLab to linear sRGB
_TO_CONES = np.array(
    [
        [1, 0.3963377774, 0.2158037573],
        [1, -0.1055613458, -0.0638541728],
        [1, -0.0894841775, -1.2914855480],
    ]
)
_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def _hex(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> list[str]:
    """Colours of OKLCH; where a screen has none so vivid, the most vivid that it has."""
    linear = np.zeros((len(hue), 3))
    missing = np.ones(len(hue), dtype=bool)
    for vivid in np.linspace(1, 0, 21):
        a, b = vivid * chroma * np.cos(hue), vivid * chroma * np.sin(hue)
        tried = (np.stack([lightness, a, b], axis=1) @ _TO_CONES.T) ** 3 @ _TO_RGB.T
        linear[missing] = tried[missing]
        missing &= ((tried < 0) | (tried > 1)).any(axis=1)
    linear = linear.clip(0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in (255 * curved).round().astype(int).tolist()]


def _in_words(codes: ItemCodes, laid: Wedges) -> tuple[str, str, str]:
    """A headline, the size of the tree, and what of it is not shown."""
    used = [int(prefix_groups(codes.codes, level + 1).max()) + 1 for level in range(codes.levels)]
    letters = ascii_lowercase[: codes.levels]
    parts = [f"{n:,} at {letter}" for n, letter in zip(used, letters, strict=False)]
    parts[0] = f"{_count(used[0], 'node')} at level a"
    room = " × ".join(f"{size:,}" for size in codes.sizes)
    headline = f"{codes.scheme}: {_count(len(codes), 'item')} as a tree of codes"
    size = f"Rings from the inside: {', '.join(parts)}; room for {room}"
    return headline, size, _hidden(codes, laid)


def _hidden(codes: ItemCodes, laid: Wedges) -> str:
    said = []
    for ring in range(laid.rings):
        fold = (laid.ring == ring) & (laid.node < 0)
        if fold.any():
            nodes, items = int(laid.nodes[fold].sum()), int(laid.items[fold].sum())
            said.append(
                f"at level {ascii_lowercase[ring]} {nodes:,} small nodes ({_count(items, 'item')}) "
                f"are folded into {_count(int(fold.sum()), 'grey wedge')}"
            )
    if deeper := ascii_lowercase[laid.rings : codes.levels]:
        said.append(f"level{'s' * (len(deeper) > 1)} {', '.join(deeper)} not shown")
    text = "; ".join(said) or "every node is shown"
    return text[0].upper() + text[1:]


def _count(n: int, thing: str) -> str:
    return f"{n:,} {thing}{'s' * (n != 1)}"


def _names(codes: ItemCodes, catalog: Catalog, laid: Wedges) -> list[tuple[str, ...]]:
    """``(W,)`` the words of each wedge, none where nodes are folded."""
    names = node_names(codes, catalog, laid.rings)
    return [
        names[ring][node] if node >= 0 else ()
        for ring, node in zip(laid.ring.tolist(), laid.node.tolist(), strict=True)
    ]


def _cut(text: str, longest: int) -> str:
    """The text on one line, and no longer than that many characters."""
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


# --- the picture ----------------------------------------------------------------------------------

WIDTH, HEIGHT, DPI = 12.0, 9.0, 150  # inches, and dots to each
PAPER, INK, MUTED = "#ffffff", "#222222", "#666666"
CENTRE, RADII = (6.0, 4.15), (0.95, 1.95, 2.75, 3.4)  # inches: the hole, then ring by ring
PICTURE_CAP = 12_000
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
    laid = wedges(codes, cap=PICTURE_CAP)
    names, fill = _names(codes, catalog, laid), colours(laid)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, HEIGHT), facecolor=PAPER)
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT))  # in inches
        axes.axis("off")
        _circle(axes, laid, fill)
        _write_codes(axes, laid)
        ruler = _Ruler(axes, canvas)
        _write_names(axes, laid, names, fill, ruler)
        headline, size, hidden = _in_words(codes, laid)
        title = ruler.cut(headline, WIDTH - 2 * MARGIN, size=15, weight="bold")
        axes.text(MARGIN, HEIGHT - 0.4, title, fontsize=15, weight="bold", va="center")
        for line, text in enumerate((size, hidden)):
            cut = ruler.cut(text, WIDTH - 2 * MARGIN)
            axes.text(MARGIN, HEIGHT - 0.72 - 0.2 * line, cut, color=MUTED, va="center")
        axes.text(*CENTRE, f"{len(codes):,}", fontsize=20, weight="bold", ha="center", va="bottom")
        middle = (CENTRE[0], CENTRE[1] - 0.05)
        items = "item" if len(codes) == 1 else "items"
        axes.text(*middle, items, fontsize=11, color=MUTED, ha="center", va="top")
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
    angles = _middles(laid)
    for wedge in np.flatnonzero((laid.ring == 0) & (laid.node >= 0)):
        text = f"a_{laid.code[wedge]}"
        radius = (inner + outer) / 2
        if 2 * np.pi * radius * laid.items[wedge] / len(laid.order) < 0.09 * len(text):
            continue
        place = (
            CENTRE[0] + radius * np.sin(angles[wedge]),
            CENTRE[1] + radius * np.cos(angles[wedge]),
        )
        axes.text(*place, text, color="white", weight="bold", ha="center", va="center")


def _middles(laid: Wedges) -> np.ndarray:
    """``(W,)`` angles of the wedges' middles, clockwise from the top."""
    turns: np.ndarray = (laid.first + laid.items / 2) / len(laid.order)
    return 2 * np.pi * turns


class _Ruler:
    """How wide text is, in inches."""

    def __init__(self, axes: Any, canvas: FigureCanvasAgg) -> None:
        self.axes, self.renderer = axes, canvas.get_renderer()
        self.font = get_font(findfont("DejaVu Sans"))

    def width(self, text: str, **font: Any) -> float:
        drawn = Text(0, 0, text, figure=self.axes.figure, **font)
        return float(drawn.get_window_extent(self.renderer).width / self.axes.figure.dpi)

    def cut(self, text: str, room: float, **font: Any) -> str:
        """The text, shortened if it is wider than ``room``."""
        longest = min(len(text), 3 * LONGEST)
        while longest > 1 and self.width(_cut(text, longest), **font) > room:
            longest -= 1 + longest // 20
        return _cut(text, longest)

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
    angles, outside = _middles(laid), _radii(laid.rings)[-1]
    room = WIDTH / 2 - COLUMN - MARGIN
    low, high = MARGIN + LINE, HEIGHT - 1.15 - LINE
    ring = np.flatnonzero(laid.ring == 0)
    for side in (1, -1):
        mine = ring[(np.sin(angles[ring]) >= 0) == (side > 0)]
        wanted = CENTRE[1] + outside * np.cos(angles[mine])
        chosen, heights = _with_room(wanted, laid.items[mine], low, high)
        for wedge, height in zip(mine[chosen].tolist(), heights.tolist(), strict=True):
            x = CENTRE[0] + side * COLUMN
            words, below = _label(laid, wedge, names[wedge], ruler, room)
            text = {"ha": "left" if side > 0 else "right", "va": "center"}
            axes.text(x, height + LINE / 2, words, weight="bold", **text)
            axes.text(x, height - LINE / 2, below, color=MUTED, fontsize=8.5, **text)
            edge = np.array([np.sin(angles[wedge]), np.cos(angles[wedge])])
            from_, knee = (np.add(CENTRE, (outside + far) * edge) for far in (0.04, 0.14))
            xs, ys = np.transpose(
                [from_, knee, (x - side * 0.22, height), (x - side * 0.08, height)]
            )
            axes.plot(xs, ys, color=fill[wedge], linewidth=1.1, solid_joinstyle="round")


def _label(
    laid: Wedges, wedge: int, words: tuple[str, ...], ruler: _Ruler, room: float
) -> tuple[str, str]:
    items = _count(int(laid.items[wedge]), "item")
    if laid.node[wedge] < 0:
        return f"and {laid.nodes[wedge]:,} more", items
    code = f"<a_{laid.code[wedge]}>"
    said = [short for word in words if ruler.can_draw(short := _cut(word, LONGEST))]
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
    level = np.repeat([p[0] for p in pooled], [int(p[1]) for p in pooled]) if pooled else down
    return level.clip(low + (down[-1] if len(down) else 0), high) - down


# --- the page -------------------------------------------------------------------------------------


def write_html(codes: ItemCodes, catalog: Catalog, path: Path) -> None:
    """A page of its own, without a network, in which the tree can be walked.

    Args:
        codes: of N items.
        catalog: the same N items.
        path: the HTML.
    """
    with atomic_write(path) as handle:
        handle.write(page(page_data(codes, catalog)))


def page_data(codes: ItemCodes, catalog: Catalog, cap: int = CAP) -> dict[str, Any]:
    """What the page shows, as plain data: texts, and a list a column of :class:`Wedges`.

    ``words`` are those of each wedge; ``examples`` are places in ``titles``, at most five a wedge.
    """
    laid = wedges(codes, cap=cap)
    headline, size, hidden = _in_words(codes, laid)
    places: dict[int, int] = {}
    examples = [
        [places.setdefault(row, len(places)) for row in rows.tolist()] for rows in laid.examples()
    ]
    columns = ("ring", "parent", "code", "nodes", "first", "items")
    return {
        "headline": headline,
        "size": size,
        "hidden": hidden,
        **{column: getattr(laid, column).tolist() for column in columns},
        "fill": colours(laid),
        "words": [
            [_cut(word, LONGEST) for word in words] for words in _names(codes, catalog, laid)
        ],
        "titles": [_cut(catalog.titles[row], LONGEST) for row in places],
        "examples": examples,
    }


def page(data: dict[str, Any]) -> str:
    """The HTML. Titles come from strangers: they stand in the data block and nowhere else.

    In that block no character can end it, the script puts text into the page as text alone, and
    the page forbids (by the hashes of its own) any other script, style or request.
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    policy = (
        f"default-src 'none'; script-src '{_hash(SCRIPT)}'; style-src '{_hash(CSS)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return "".join(_pieces(policy, text))


def _hash(source: str) -> str:
    return f"sha256-{b64encode(sha256(source.encode()).digest()).decode()}"


def _pieces(policy: str, data: str) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>Tree of semantic ids</title>\n<style>{CSS}</style>\n</head>\n<body>\n{BODY}"
    yield f'<script type="application/json" id="tree">{data}</script>\n'
    yield f"<script>{SCRIPT}</script>\n</body>\n</html>\n"


CSS = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --panel: #f4f4f2; --ink: #1c1c1c; --muted: #5c5c5c; --line: #d9d9d6;
  --folded: #c6c6c3; --link: #0060a0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16171a; --panel: #212327; --ink: #ececec; --muted: #a9acb2; --line: #3a3d43;
    --folded: #54575d; --link: #7cc0f5;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1rem clamp(0.75rem, 3vw, 2rem) 2rem; max-width: 1240px;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
h1 { margin: 0; font-size: 1.4rem; line-height: 1.25; overflow-wrap: anywhere; }
header p { margin: 0.15rem 0 0; color: var(--muted); font-size: 0.9rem; }
main { display: grid; grid-template-columns: minmax(0, 1fr) 19rem; gap: 1.5rem; }
nav ol {
  display: flex; flex-wrap: wrap; gap: 0.1rem 0; margin: 0.9rem 0 0.5rem; padding: 0;
  list-style: none; min-height: 1.8rem; align-items: center;
}
nav li { display: flex; align-items: center; min-width: 0; }
nav li + li::before { content: "›"; margin: 0 0.45rem; color: var(--muted); }
nav button {
  border: 0; padding: 0.15rem 0.1rem; background: none; color: var(--link); font: inherit;
  text-align: left; cursor: pointer; overflow-wrap: anywhere;
}
nav button:hover { text-decoration: underline; }
nav [aria-current] { color: var(--ink); font-weight: 600; overflow-wrap: anywhere; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 2px; }
svg {
  display: block; width: 100%; max-height: max(22rem, 100vh - 11.5rem); touch-action: manipulation;
}
svg path { stroke: var(--paper); cursor: pointer; }
svg path.leaf { cursor: default; }
svg path.folded { fill: var(--folded); }
svg text.folded { fill: var(--ink); }
svg path:focus { outline: none; }
#marker { fill: none; stroke: var(--ink); stroke-width: 2.5; pointer-events: none; }
#hole { fill: var(--paper); }
#hole.back { cursor: pointer; }
#hole.back:hover { fill: var(--panel); }
svg text {
  pointer-events: none; text-anchor: middle; dominant-baseline: central;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
#centre text { fill: var(--ink); }
#centre text.small { fill: var(--muted); }
aside {
  grid-area: 1 / 2 / span 2; align-self: start; position: sticky; top: 1rem; min-height: 21rem;
  padding: 1rem 1.1rem; border-radius: 10px; background: var(--panel);
  border-top: 6px solid var(--line);
}
aside h2 {
  margin: 0; font: 600 1.05rem/1.4 ui-monospace, "SF Mono", Consolas, "DejaVu Sans Mono", monospace;
  overflow-wrap: anywhere;
}
aside p { margin: 0.35rem 0 0; overflow-wrap: anywhere; }
aside ul { margin: 0.35rem 0 0; padding-left: 1.1rem; }
aside li { overflow-wrap: anywhere; }
#words { font-weight: 600; }
#numbers, #heading, #largest { color: var(--muted); font-size: 0.9rem; }
#heading, #largest { margin-top: 0.8rem; }
#heading:empty, #largest:empty { display: none; }
#inside { padding: 0; list-style: none; }
#inside button {
  display: block; width: 100%; padding: 0.2rem 0 0.2rem 1.3rem; border: 0; background: none;
  color: inherit; font: inherit; font-size: 0.92rem; text-align: left; cursor: pointer;
}
#inside button:hover { text-decoration: underline; }
#inside i {
  float: left; width: 0.8rem; height: 0.8rem; margin: 0.3rem 0 0 -1.3rem; border-radius: 3px;
}
#help { grid-column: 1; margin: 0; color: var(--muted); font-size: 0.85rem; }
@media (max-width: 800px) {
  main { grid-template-columns: minmax(0, 1fr); gap: 0.75rem; }
  aside { grid-area: auto; position: static; min-height: 15rem; }
}
"""

BODY = """\
<header>
<h1 id="headline">Tree of semantic ids</h1>
<p id="size"></p>
<p id="hidden"></p>
</header>
<noscript><p>This page draws itself with JavaScript, which is switched off here.</p></noscript>
<nav aria-label="Path"><ol id="path"></ol></nav>
<main>
<svg id="chart" viewBox="-400 -400 800 800" role="group" aria-label="Tree of codes">
<g id="wedges"></g><path id="marker" aria-hidden="true"></path>
<g id="labels" aria-hidden="true"></g>
<circle id="hole" r="94"></circle><g id="centre" aria-hidden="true"></g>
</svg>
<aside>
<div aria-live="polite"><h2 id="code"></h2><p id="words" dir="auto"></p><p id="numbers"></p></div>
<p id="heading"></p><ul id="examples"></ul>
<p id="largest"></p><ul id="inside"></ul>
</aside>
<p id="help">Each ring is a level of the codes, each wedge a node as wide as its items are many.
A click or Enter zooms in; the centre, the path above or Escape goes back; arrow keys walk.</p>
</main>
"""

SCRIPT = r"""
"use strict";
const data = JSON.parse(document.getElementById("tree").textContent);
const COUNT = data.ring.length, TURN = 2 * Math.PI, HOLE = 96, EDGE = 396, MOVE = 450;
const LISTED = 12;
const N = data.items.reduce((sum, n, w) => sum + (data.ring[w] === 0 ? n : 0), 0);
const RINGS = data.ring.reduce((most, ring) => Math.max(most, ring + 1), 0);
const children = Array.from({ length: COUNT + 1 }, () => []);  // the last one's: the first ring
data.parent.forEach((parent, w) => children[parent < 0 ? COUNT : parent].push(w));
const below = (w) => children[w < 0 ? COUNT : w];
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
const el = (id) => document.getElementById(id);
const svg = (name, where) =>
  where.appendChild(document.createElementNS("http://www.w3.org/2000/svg", name));
const number = (n) => n.toLocaleString("en");
const count = (n, thing) => number(n) + " " + thing + (n === 1 ? "" : "s");

// --- texts ---

function codeOf(w) {
  const letter = "abcdefghijklmnopqrstuvwxyz"[data.ring[w]];
  return "<" + letter + "_" + (data.code[w] < 0 ? "…" : data.code[w]) + ">";
}

function codePath(w) {
  return w < 0 ? "" : codePath(data.parent[w]) + codeOf(w);
}

function wordsOf(w) {
  if (data.code[w] < 0) return ["and " + number(data.nodes[w]) + " more"];
  return data.words[w];
}

function describe(w) {
  const all = w < 0, items = all ? N : data.items[w], folded = !all && data.code[w] < 0;
  el("code").textContent = all ? "All items" : codePath(w);
  el("words").textContent = all ? "" : wordsOf(w).join(", ");
  const share = 100 * items / N, parts = [count(items, "item")];
  if (!all) parts.push((share < 0.1 ? "< 0.1" : share.toFixed(share < 9.95 ? 1 : 0)) + " %");
  if (folded) parts.push(count(data.nodes[w], "small node") + " folded");
  const nodes = below(w).reduce((sum, c) => sum + data.nodes[c], 0);
  if (nodes) parts.push(count(nodes, "node") + " inside");
  el("numbers").textContent = parts.join(" · ");
  document.querySelector("aside").style.borderTopColor = all || folded ? "" : data.fill[w];
  const shown = all ? [] : data.examples[w], one = !all && items === 1 && !folded;
  el("heading").textContent = shown.length && !one ?
    (items > shown.length ? "For example" : "These are") : "";
  el("examples").replaceChildren(...(one ? [] : shown).map((place) => {
    const line = document.createElement("li");
    line.dir = "auto";
    line.textContent = data.titles[place];
    return line;
  }));
  const inside = w === focus ? below(w).filter((c) => below(c).length) : [];
  inside.sort((one, other) => data.items[other] - data.items[one] || one - other);
  el("inside").replaceChildren(...inside.slice(0, LISTED).map((child) => {
    const line = document.createElement("li"), part = document.createElement("button");
    const dot = document.createElement("i"), words = wordsOf(child).join(", ");
    dot.style.background = data.fill[child];
    part.type = "button";
    const items = " ·\u00a0" + number(data.items[child]);
    part.append(dot, codeOf(child) + (words && " " + words) + items);
    part.addEventListener("click", () => zoom(child));
    line.append(part);
    return line;
  }));
  const more = inside.length - LISTED;
  el("largest").textContent = more > 0 ? "Its " + LISTED + " largest nodes" : "";
}

function drawPath() {
  const steps = [];
  for (let w = focus; w >= 0; w = data.parent[w]) steps.unshift(w);
  el("path").replaceChildren(...[-1, ...steps].map((w) => {
    const step = document.createElement("li");
    const last = w === focus, part = document.createElement(last ? "span" : "button");
    const words = w < 0 ? "" : wordsOf(w).join(", ");
    part.textContent = w < 0 ? "All " + count(N, "item") : codeOf(w) + (words && " " + words);
    if (last) part.setAttribute("aria-current", "true");
    else { part.type = "button"; part.addEventListener("click", () => zoom(w)); }
    step.append(part);
    return step;
  }));
}

// --- shapes ---

let focus = -1, chosen = -1, view = viewOf(-1), frame = 0;

function viewOf(w) {  // what part of the circle and which rings are shown
  const ring = w < 0 ? 0 : data.ring[w] + 1;
  return {
    first: w < 0 ? 0 : data.first[w], items: w < 0 ? N : data.items[w],
    ring: ring, rings: Math.max(RINGS - ring, 1),
  };
}

function place(w) {  // [inner and outer radius, first and last angle] in the view, null outside it
  const band = (EDGE - HOLE) / view.rings, clamp = (x, a, b) => Math.min(Math.max(x, a), b);
  const inner = clamp(HOLE + (data.ring[w] - view.ring) * band, HOLE, EDGE);
  const outer = clamp(HOLE + (data.ring[w] - view.ring + 1) * band, HOLE, EDGE);
  const from = clamp((data.first[w] - view.first) / view.items, 0, 1);
  const to = clamp((data.first[w] + data.items[w] - view.first) / view.items, 0, 1);
  if (outer - inner < 0.01 || to - from < 1e-9) return null;
  return [inner, outer, from * TURN, to * TURN];
}

const at = (radius, angle) =>
  (radius * Math.sin(angle)).toFixed(2) + " " + (-radius * Math.cos(angle)).toFixed(2);

function arc(radius, from, to, sweep) {
  const turn = Math.abs(to - from) > Math.PI ? 1 : 0;
  return "A" + radius.toFixed(2) + " " + radius.toFixed(2) + " 0 " + turn + " " + sweep + " " +
    at(radius, to);
}

function outline([inner, outer, from, to]) {
  if (to - from > TURN - 1e-6) {  // an arc cannot end where it begins: two halves
    const ring = (r, sweep) => "M" + at(r, 0) + arc(r, 0, Math.PI, sweep) +
      arc(r, Math.PI, TURN, sweep) + "Z";
    return ring(outer, 1) + ring(inner, 0);
  }
  return "M" + at(outer, from) + arc(outer, from, to, 1) + "L" + at(inner, to) +
    arc(inner, to, from, 0) + "Z";
}

const paths = data.ring.map((_, w) => {
  const path = svg("path", el("wedges"));
  path.setAttribute("fill", data.fill[w]);
  path.setAttribute("role", "button");
  path.setAttribute("tabindex", "-1");
  const said = [codePath(w), wordsOf(w).join(", "), count(data.items[w], "item")];
  path.setAttribute("aria-label", said.filter(Boolean).join(", "));
  path.classList.toggle("leaf", !below(w).length);
  path.classList.toggle("folded", data.code[w] < 0);
  return path;
});
const hidden = new Array(COUNT).fill(false);
const wedgeOf = new Map(paths.map((path, w) => [path, w]));

function draw() {
  const closed = textSize() / 4;  // too thin for an edge of its own, below three pixels
  for (let w = 0; w < COUNT; w++) {
    const where = place(w), path = paths[w];
    if (hidden[w] !== !where) {
      hidden[w] = !where;
      path.style.display = where ? "" : "none";
    }
    if (!where) continue;
    path.setAttribute("d", outline(where));
    const long = where[1] * (where[3] - where[2]), thin = long < closed;
    path.style.strokeWidth = thin ? "0.5" : Math.min(1.4, 0.15 * long).toFixed(2);
    path.style.stroke = thin && data.code[w] >= 0 ? data.fill[w] : "";
  }
}

function mark(w) {
  const where = w < 0 ? null : place(w);
  el("marker").setAttribute("d", where ? outline(where) : "");
}

// --- labels ---

const pen = document.createElement("canvas").getContext("2d");

function dark(colour) {  // whether white reads better on it than near-black
  const part = (at) => {
    const x = parseInt(colour.slice(at, at + 2), 16) / 255;
    return x > 0.04045 ? ((x + 0.055) / 1.055) ** 2.4 : x / 12.92;
  };
  return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5) < 0.19;
}

function shorten(text, room) {
  if (pen.measureText(text).width <= room) return text;
  const letters = Array.from(text);
  while (letters.length > 3) {
    letters.pop();
    const short = letters.join("").trimEnd() + "…";
    if (pen.measureText(short).width <= room) return short;
  }
  return "";
}

function level(lines, size, [inner, outer, from, to]) {  // does it fit, written level?
  const middle = (from + to) / 2, radius = (inner + outer) / 2, gap = 4;
  const x = radius * Math.sin(middle), y = -radius * Math.cos(middle);
  const width = Math.max(...lines.map((line) => pen.measureText(line).width)) / 2;
  const height = lines.length * size * 1.15 / 2;
  for (const across of [-1, -0.5, 0, 0.5, 1]) {
    for (const down of [-1, 0, 1]) {
      const px = x + across * width, py = y + down * height, far = Math.hypot(px, py);
      if (far < inner + gap || far > outer - gap) return false;
      let turned = Math.atan2(px, -py) - middle;
      turned -= TURN * Math.round(turned / TURN);
      if (Math.abs(turned) > (to - from) / 2 - gap / far) return false;
    }
  }
  return true;
}

function write(lines, size, w, angle, radius, turned) {
  const text = svg("text", el("labels"));
  const x = radius * Math.sin(angle), y = -radius * Math.cos(angle);
  const left = angle > Math.PI, turn = turned ? angle * 360 / TURN + (left ? 90 : -90) : 0;
  text.setAttribute("transform", "translate(" + x.toFixed(1) + " " + y.toFixed(1) + ")" +
    (turn ? " rotate(" + turn.toFixed(2) + ")" : ""));
  text.setAttribute("font-size", size.toFixed(1));
  text.setAttribute("fill", dark(data.fill[w]) ? "#ffffff" : "#141414");
  text.classList.toggle("folded", data.code[w] < 0);
  lines.forEach((line, i) => {
    const span = svg("tspan", text);
    span.setAttribute("x", "0");
    span.setAttribute("y", ((i - (lines.length - 1) / 2) * size * 1.15).toFixed(1));
    span.textContent = line;
  });
}

function packed(words, room, most) {  // lines of whole words, and how many words they hold
  const lines = [];
  let held = 0;
  for (const word of words) {
    const longer = lines.length ? lines[lines.length - 1] + ", " + word : word;
    if (lines.length && pen.measureText(longer).width <= room) lines[lines.length - 1] = longer;
    else if (lines.length < most && pen.measureText(word).width <= room) lines.push(word);
    else break;
    held++;
  }
  return [lines, held];
}

function along(lines, size, [inner, outer, from, to]) {  // does it fit, written along the radius?
  const width = Math.max(...lines.map((line) => pen.measureText(line).width));
  const narrow = (to - from) * ((inner + outer) / 2 - width / 2);  // at the end nearer the centre
  return width <= outer - inner - 10 && lines.length * size * 1.1 <= narrow - 2;
}

function label(w, where, size) {
  const [inner, outer, from, to] = where, middle = (from + to) / 2, radius = (inner + outer) / 2;
  const put = (lines, turned) => write(lines, size, w, middle, radius, turned);
  const room = outer - inner - 10;
  if (data.items[w] === 1 && data.code[w] >= 0) {
    for (const part of [1, 0.75, 0.5]) {
      const title = shorten(wordsOf(w)[0], part * room);
      if (title && along([title], size, where)) return put([title], true);
    }
    return;
  }
  const code = data.code[w] < 0 ? "+" + number(data.nodes[w]) : codeOf(w);
  for (const words of [wordsOf(w), [code]]) {
    for (let n = words.length; n > 0; n--) {
      const some = words.slice(0, n);
      if (level(some, size, where)) return put(some, false);
      for (const most of [1, 2, 3]) {
        const [lines, held] = packed(some, room, most);
        if (held === n && along(lines, size, where)) return put(lines, true);
      }
    }
  }
}

function textSize() {  // 12 pixels of the screen, 11 of a small one, in units of the picture
  const wide = Math.max(Math.min(el("chart").clientWidth, el("chart").clientHeight), 200);
  return (wide < 500 ? 11 : 12) * 800 / wide;
}

function drawLabels() {
  const size = textSize();
  pen.font = size + "px " + getComputedStyle(document.body).fontFamily;
  el("labels").replaceChildren();
  for (let w = 0; w < COUNT; w++) {
    const where = hidden[w] ? null : place(w);
    const mean = where ? (where[3] - where[2]) * (where[0] + where[1]) / 2 : 0;
    if (mean > size) label(w, where, size);
  }
  drawCentre(size);
}

function drawCentre(size) {
  const lines = [[number(focus < 0 ? N : data.items[focus]), 1.6, ""],
    [focus < 0 ? (N === 1 ? "item" : "items") : "of " + number(N), 1, "small"]];
  if (focus >= 0) lines.push(["↩ back", 1, "small"]);
  el("centre").replaceChildren();
  lines.forEach(([line, scale, kind], i) => {
    const text = svg("text", el("centre")), big = Math.min(scale * size, 44 * scale / 1.6);
    text.setAttribute("font-size", big.toFixed(1));
    text.setAttribute("class", kind);
    if (!kind) text.setAttribute("font-weight", "700");
    text.setAttribute("y", ((i - (lines.length - 1) / 2) * Math.min(1.5 * size, 34)).toFixed(1));
    text.textContent = line;
  });
  el("hole").setAttribute("class", focus < 0 ? "" : "back");
}

// --- moving about ---

function zoom(w, byKey) {
  const from = view, to = viewOf(w), left = focus;
  focus = w;
  chosen = w;
  drawPath();
  describe(w);
  mark(-1);
  el("labels").replaceChildren();
  drawCentre(textSize());
  cancelAnimationFrame(frame);
  const started = performance.now(), time = calm.matches ? 0 : MOVE;
  const step = (now) => {
    const t = time ? Math.min(Math.max((now - started) / time, 0), 1) : 1;
    const eased = t < 0.5 ? 4 * t ** 3 : 1 - (2 - 2 * t) ** 3 / 2;
    if (t < 1) {
      view = Object.fromEntries(
        Object.keys(to).map((k) => [k, from[k] + (to[k] - from[k]) * eased]));
      draw();
      frame = requestAnimationFrame(step);
      return;
    }
    view = to;
    draw();
    drawLabels();
    const next = left >= 0 && !hidden[left] ? left : below(w)[0];
    if (next !== undefined) stop(next);
    if (next !== undefined && byKey) paths[next].focus({ preventScroll: true });
  };
  if (time) frame = requestAnimationFrame(step);
  else step(started);
}

let tabbed = -1;

function stop(w) {  // the one wedge that Tab stops at
  if (tabbed >= 0) paths[tabbed].setAttribute("tabindex", "-1");
  paths[w].setAttribute("tabindex", "0");
  tabbed = w;
}

function pick(w, byKey) {
  if (below(w).length) { zoom(w, byKey); return; }
  chosen = w;
  rest();
}

function rest() {  // what is shown while nothing is pointed at
  describe(chosen);
  mark(chosen === focus ? -1 : chosen);
}

function back(byKey) {
  if (focus >= 0) zoom(data.parent[focus], byKey);
}

function walk(w, key) {
  if (key === "ArrowUp") return data.parent[w] === focus ? w : data.parent[w];
  if (key === "ArrowDown") return below(w).length ? below(w)[0] : w;
  const step = key === "ArrowRight" ? 1 : -1;
  const row = data.ring.map((_, other) => other).filter(
    (other) => !hidden[other] && data.ring[other] === data.ring[w]);
  return row[(row.indexOf(w) + step + row.length) % row.length];
}

const target = (event) => wedgeOf.has(event.target) ? wedgeOf.get(event.target) : -1;

el("chart").addEventListener("pointerover", (event) => {
  const w = target(event);
  if (event.pointerType === "touch" || w < 0) return;
  describe(w);
  mark(w);
});
el("chart").addEventListener("pointerleave", rest);
el("chart").addEventListener("click", (event) => {
  if (event.target === el("hole")) back(false);
  else if (target(event) >= 0) pick(target(event), false);
});
// not on the picture: an SVG element that listens for focus can take it
const main = document.querySelector("main");
main.addEventListener("focusin", (event) => {
  const w = target(event);
  if (w < 0) return;
  stop(w);
  describe(w);
  if (event.target.matches(":focus-visible")) mark(w);
});
main.addEventListener("focusout", (event) => { if (target(event) >= 0) rest(); });
main.addEventListener("keydown", (event) => {
  const w = target(event);
  if (w < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" || event.key === " ") pick(w, true);
  else if (event.key.startsWith("Arrow")) paths[walk(w, event.key)].focus({ preventScroll: true });
  else return;
  event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (chosen !== focus) { chosen = focus; rest(); }
  else back(el("wedges").contains(document.activeElement));
});
let resized = 0;
window.addEventListener("resize", () => {
  cancelAnimationFrame(resized);
  resized = requestAnimationFrame(drawLabels);
});

for (const id of ["headline", "size", "hidden"]) el(id).textContent = data[id];
document.title = data.headline;
drawPath();
draw();
drawLabels();
describe(-1);
if (COUNT) stop(0);
"""
