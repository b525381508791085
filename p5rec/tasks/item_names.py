"""How prompts name the items: ids, which are codes or titles, and titles."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from .literal import Literal, literal, squeeze

TOKEN_GAP = re.compile(r">\s+<")


@dataclass(frozen=True, eq=False)
class ItemNames:
    """The texts that represent items in prompts: ``(N,)`` id strings and ``(N,)`` titles.

    Titles, and all other data in prompts, pass through ``literal``.

    Attributes:
        ids, titles: one per item.
        literal: escapes the special tokens of the model.

    Raises:
        ValueError: the lengths differ, or two items share an id.
    """

    ids: Sequence[str]
    titles: Sequence[str]
    literal: Literal = literal

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.titles):
            raise ValueError(f"{len(self.ids)} ids for {len(self.titles)} titles")
        if len(self._rows) != len(self.ids):
            raise ValueError("two items share a semantic id")
        object.__setattr__(self, "titles", [self.literal(title) for title in self.titles])

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {squeeze(name): row for row, name in enumerate(self.ids)}

    def row(self, text: str) -> int | None:
        """The item with id ``text``; space around it and between tokens is ignored."""
        return self._rows.get(TOKEN_GAP.sub("><", squeeze(text)))


def titles_as_ids(titles: Sequence[str], literal: Literal = literal) -> list[str]:
    """Each title in quotation marks; repeated titles get a number, so all ids differ."""
    seen: Counter[str] = Counter()
    taken: set[str] = set()
    names = []
    for title in map(literal, titles):
        seen[title] += 1
        name = title if seen[title] == 1 else f"{title} #{seen[title]}"
        while name in taken:
            seen[title] += 1
            name = f"{title} #{seen[title]}"
        taken.add(name)
        names.append(f'"{name}"')
    return names


def item_names(
    written: str, ids: Sequence[str], titles: Sequence[str], literal: Literal = literal
) -> ItemNames:
    """The item names of prompts that write items as ``codes`` or by ``title``.

    Args:
        written: ``codes`` or ``title``.
        ids: ``(N,)`` codes as text.
        titles: ``(N,)``.
        literal: escapes the special tokens of the model.
    """
    if written == "title":
        ids = titles_as_ids(titles, literal)
    return ItemNames(ids, titles, literal)
