"""An interactive sunburst of the code tree: one HTML file without network requests."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from p5rec.core.atomic import atomic_write
from p5rec.core.item_codes import ItemCodes
from p5rec.core.pages import fill_page
from p5rec.core.types import Catalog

from .captions import captions, cut, wedge_words
from .tones import colours
from .wedges import wedges

ASSETS = files("p5rec.ids") / "assets"
CAP = 4_000
EXAMPLES = 5


def write_html(codes: ItemCodes, catalog: Catalog, path: Path) -> None:
    """Writes a self-contained page for browsing the tree.

    Args:
        codes: codes of N items.
        catalog: the same N items.
        path: the HTML file.
    """
    with atomic_write(path) as handle:
        handle.write(page(page_data(codes, catalog)))


def page_data(codes: ItemCodes, catalog: Catalog, cap: int = CAP) -> dict[str, Any]:
    """The data of the page: texts, and one list per column of :class:`Wedges`.

    ``words`` are the words of each wedge; ``examples`` are indices into ``titles``, at most five
    per wedge.
    """
    layout = wedges(codes, cap)
    headline, size, hidden = captions(codes, layout)
    indices: dict[int, int] = {}
    examples = [
        [indices.setdefault(row, len(indices)) for row in rows.tolist()]
        for rows in layout.examples(EXAMPLES)
    ]
    columns = ("ring", "parent", "code", "nodes", "first", "items")
    return {
        "headline": headline,
        "size": size,
        "hidden": hidden,
        **{column: getattr(layout, column).tolist() for column in columns},
        "fill": colours(layout),
        "words": [[cut(word) for word in words] for words in wedge_words(codes, catalog, layout)],
        "titles": [cut(catalog.titles[row]) for row in indices],
        "examples": examples,
    }


def page(data: dict[str, Any]) -> str:
    """The HTML. Titles are untrusted text and appear in the data block alone.

    The data block is escaped, the script inserts text as text nodes alone, and the content security
    policy allows no other script, style or request.
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return fill_page(ASSETS, "sunburst", data=text)
