"""What pictures of the code tree say: a headline, what is folded, the words of each wedge."""

from __future__ import annotations

from string import ascii_lowercase

from p5rec.core.types import Catalog, ItemCodes

from .names import node_names
from .prefixes import prefix_groups
from .wedges import Wedges

LONGEST = 120  # characters of a title


def captions(codes: ItemCodes, laid: Wedges) -> tuple[str, str, str]:
    """A headline, the size of the tree, and what of it is not shown."""
    used = [int(prefix_groups(codes.codes, level + 1).max()) + 1 for level in range(codes.levels)]
    deeper = [
        f", {n:,} at {letter}" for n, letter in zip(used[1:], ascii_lowercase[1:], strict=False)
    ]
    room = " × ".join(f"{size:,}" for size in codes.sizes)
    return (
        f"{codes.scheme}: {count(len(codes), 'item')} as a tree of codes",
        f"Rings from the inside: {count(used[0], 'node')} at level a{''.join(deeper)}; "
        f"room for {room}",
        _hidden(codes, laid),
    )


def _hidden(codes: ItemCodes, laid: Wedges) -> str:
    said = []
    for ring in range(laid.rings):
        fold = (laid.ring == ring) & (laid.node < 0)
        if fold.any():
            nodes, items = int(laid.nodes[fold].sum()), int(laid.items[fold].sum())
            said.append(
                f"at level {ascii_lowercase[ring]} {nodes:,} small nodes ({count(items, 'item')}) "
                f"are folded into {count(int(fold.sum()), 'grey wedge')}"
            )
    if deeper := ascii_lowercase[laid.rings : codes.levels]:
        said.append(f"level{'s' * (len(deeper) > 1)} {', '.join(deeper)} not shown")
    text = "; ".join(said) or "every node is shown"
    return text[0].upper() + text[1:]


def count(n: int, thing: str) -> str:
    """``1 item``, ``2,000 items``."""
    return f"{n:,} {thing}{'s' * (n != 1)}"


def words_of(codes: ItemCodes, catalog: Catalog, laid: Wedges) -> list[tuple[str, ...]]:
    """``(W,)`` the words of each wedge, none where nodes are folded."""
    names = node_names(codes, catalog, laid.rings)
    return [
        names[ring][node] if node >= 0 else ()
        for ring, node in zip(laid.ring.tolist(), laid.node.tolist(), strict=True)
    ]


def cut(text: str, longest: int = LONGEST) -> str:
    """The text on one line, and no longer than that many characters."""
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
