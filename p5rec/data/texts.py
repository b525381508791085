"""An item's record in words."""

from __future__ import annotations

from p5rec.core.types import Catalog


def item_texts(catalog: Catalog) -> list[str]:
    """What a text encoder reads of each item, ``(N,)``: the title, then ``attribute: values``."""
    columns = [[_clause(name, v) for v in catalog.values(name)] for name in catalog.attributes]
    rows = zip(catalog.titles, *columns, strict=True)
    return [". ".join(part for part in row if part) for row in rows]


def _clause(name: str, values: tuple[str, ...]) -> str:
    return f"{name}: {', '.join(values)}" if values else ""
