"""Captions of code tree plots: headline, tree size, folded nodes, and the words of each wedge."""

from __future__ import annotations

from p5rec.core.item_codes import ItemCodes
from p5rec.core.types import Catalog

from .names import node_names
from .prefixes import prefix_groups
from .tokens import level_names
from .wedges import Wedges

LONGEST = 120  # characters of a title


def captions(codes: ItemCodes, layout: Wedges) -> tuple[str, str, str]:
    """A headline, the size of the tree, and a note on folded and hidden nodes."""
    used = [int(prefix_groups(codes.codes, level + 1).max()) + 1 for level in range(codes.levels)]
    names = level_names(codes.levels)
    deeper = [f", {n:,} at {name}" for n, name in zip(used[1:], names[1:], strict=True)]
    sizes = " × ".join(f"{size:,}" for size in codes.sizes)
    return (
        f"{codes.scheme}: {count(len(codes), 'item')} as a tree of codes",
        f"Rings from the inside: {count(used[0], 'node')} at level a{''.join(deeper)}; "
        f"codebooks of {sizes} codes",
        _hidden(codes, layout),
    )


def _hidden(codes: ItemCodes, layout: Wedges) -> str:
    notes, names = [], level_names(codes.levels)
    for ring in range(layout.rings):
        fold = (layout.ring == ring) & (layout.node < 0)
        if fold.any():
            nodes, items = int(layout.nodes[fold].sum()), int(layout.items[fold].sum())
            notes.append(
                f"at level {names[ring]} {nodes:,} small nodes ({count(items, 'item')}) "
                f"are folded into {count(int(fold.sum()), 'grey wedge')}"
            )
    if deeper := names[layout.rings :]:
        notes.append(f"level{'s' * (len(deeper) > 1)} {', '.join(deeper)} hidden")
    text = "; ".join(notes) or "every node is visible"
    return text[0].upper() + text[1:]


def count(n: int, thing: str) -> str:
    """``1 item``, ``2,000 items``."""
    return f"{n:,} {thing}{'s' * (n != 1)}"


def wedge_words(codes: ItemCodes, catalog: Catalog, layout: Wedges) -> list[tuple[str, ...]]:
    """``(W,)`` the words of each wedge; folded wedges have none."""
    names = node_names(codes, catalog, layout.rings)
    return [
        names[ring][node] if node >= 0 else ()
        for ring, node in zip(layout.ring.tolist(), layout.node.tolist(), strict=True)
    ]


def cut(text: str, longest: int = LONGEST) -> str:
    """The text on one line, shortened to ``longest`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
