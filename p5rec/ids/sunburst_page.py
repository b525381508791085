"""A page of the code tree that zooms: one HTML file, which asks a network for nothing."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from p5rec.core.artefacts import atomic_write
from p5rec.core.pages import fill_page
from p5rec.core.types import Catalog, ItemCodes

from .captions import captions, cut, words_of
from .tones import colours
from .wedges import wedges

ASSETS = files("p5rec.ids") / "assets"
CAP = 4_000
EXAMPLES = 5


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
    laid = wedges(codes, cap)
    headline, size, hidden = captions(codes, laid)
    places: dict[int, int] = {}
    examples = [
        [places.setdefault(row, len(places)) for row in rows.tolist()]
        for rows in laid.examples(EXAMPLES)
    ]
    columns = ("ring", "parent", "code", "nodes", "first", "items")
    return {
        "headline": headline,
        "size": size,
        "hidden": hidden,
        **{column: getattr(laid, column).tolist() for column in columns},
        "fill": colours(laid),
        "words": [[cut(word) for word in words] for words in words_of(codes, catalog, laid)],
        "titles": [cut(catalog.titles[row]) for row in places],
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
    return fill_page(ASSETS, "sunburst", data=text)
