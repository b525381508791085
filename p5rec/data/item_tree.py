"""The catalogue as a tree whose leaves are the items, each of them once.

The first level has the values of an attribute, the next ones prefixes of the items' codes, as in
UniLLMRec (Zhang et al. 2024, arXiv:2404.00702), whose levels are categories and subcategories. M
inner nodes, N items, E = M - 1 + N edges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pydantic import Field

from p5rec.core.config import Config

OTHER = "other"  # the label of the items without one of the attribute's values
CODES = 0  # the first level of codes; the attribute comes before it


class TreeConfig(Config):
    """How the catalogue becomes a tree."""

    attribute: str | None = None
    """Item attribute whose values are the first level. An item with several values is below the one
    of the fewest items. null: the tree has codes alone.
    """
    width: int = Field(20, ge=2)
    """Most children of a node. More items are divided by their next code; more codes or values than
    this share nodes.
    """
    titles: int = Field(2, ge=1)
    """Titles in the label of a group of codes: those of the items with the most training events."""


@dataclass(frozen=True, eq=False)
class ItemTree:
    """A tree; node 0 is the root, and a child is an inner node or an item.

    Attributes:
        starts: ``(M + 1,)`` int64: the edges of node n are ``starts[n]:starts[n + 1]``.
        children: ``(E,)`` int64: the inner node below each edge, or ``~i`` for item i.
        labels: ``(E,)`` the text of what is below each edge, unique among the edges of a node.
    """

    starts: np.ndarray
    children: np.ndarray
    labels: Sequence[str]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def edges(self, node: int) -> slice:
        """The edges of a node."""
        return slice(int(self.starts[node]), int(self.starts[node + 1]))

    @cached_property
    def _edge_above(self) -> tuple[np.ndarray, np.ndarray]:
        """The edge above each inner node ``(M,)``, -1 for the root, and each item ``(N,)``."""
        edges, inner = np.arange(len(self.children)), self.children >= 0
        nodes = np.full(len(self), -1, dtype=np.int64)
        items = np.empty(len(edges) - inner.sum(), dtype=np.int64)
        nodes[self.children[inner]] = edges[inner]
        items[~self.children[~inner]] = edges[~inner]
        return nodes, items

    def path(self, item: int) -> list[tuple[int, int]]:
        """The nodes from the root to an item, each with its edge on the path."""
        nodes, items = self._edge_above
        edge, path = int(items[item]), []
        while edge >= 0:
            node = int(np.searchsorted(self.starts, edge, side="right")) - 1
            path.append((node, edge))
            edge = int(nodes[node])
        return path[::-1]

    @cached_property
    def order(self) -> np.ndarray:
        """``(N,)`` the items depth first, so that those below a node are adjacent."""
        return np.array([~child for child in self._below(0)], dtype=np.int64)

    @cached_property
    def spans(self) -> np.ndarray:
        """``(E, 2)`` int64: the items below an edge are ``order[begin:end]``."""
        spans = np.empty((len(self.children), 2), dtype=np.int64)
        at = np.empty(len(self.order), dtype=np.int64)
        at[self.order] = np.arange(len(self.order))
        for node in reversed(range(len(self))):  # children have larger numbers than their parents
            for edge in range(*self.edges(node).indices(len(spans))):
                if (child := int(self.children[edge])) < 0:
                    spans[edge] = at[~child], at[~child] + 1
                else:
                    below = spans[self.edges(child)]
                    spans[edge] = below[0, 0], below[-1, 1]
        return spans

    def _below(self, node: int) -> Iterator[int]:
        for child in self.children[self.edges(node)].tolist():
            if child < 0:
                yield child
            else:
                yield from self._below(child)


@dataclass(frozen=True, eq=False)
class TreeItems:
    """The items of a tree.

    Attributes:
        titles: ``(N,)``.
        values: ``(N,)`` the values of the attribute; empty: there is no attribute.
        codes: ``(N, L)``, all rows different.
        counts: ``(N,)`` training events.
    """

    titles: Sequence[str]
    values: Sequence[Sequence[str]]
    codes: np.ndarray
    counts: np.ndarray


def grow(items: TreeItems, config: TreeConfig) -> ItemTree:
    """The tree of ``items``, which does not depend on their order."""
    waiting = [(np.arange(len(items.titles)), CODES - bool(items.values))]
    starts, children, labels = [0], list[int](), list[str]()
    for own, level in waiting:  # grows while it is read
        groups = _divided(own, level, items, config) if len(own) > config.width else None
        if groups is None:
            own = own[np.lexsort(items.codes[own].T[::-1])]
            children += (~own).tolist()
            labels += _unique([items.titles[item] for item in own.tolist()])
        else:
            below, group, texts = groups
            for n in range(len(texts)):
                inside = own[group == n]
                if len(inside) == 1:
                    children.append(~int(inside[0]))
                    texts[n] = items.titles[inside[0]]
                else:
                    children.append(len(waiting))
                    waiting.append((inside, below))
            labels += _unique(texts)
        starts.append(len(children))
    return ItemTree(np.array(starts), np.array(children, dtype=np.int64), labels)


def _divided(
    own: np.ndarray, level: int, items: TreeItems, config: TreeConfig
) -> tuple[int, np.ndarray, list[str]] | None:
    """How the items of a node are divided: the level of the codes that divides each group, the
    group of each item, and the labels of the groups; None: they are not."""
    if level < CODES:
        values = _one_each([items.values[item] for item in own.tolist()], config.width)
        texts = sorted(set(values), key=lambda value: (value == OTHER, value))
        if len(texts) > 1:
            return CODES, np.array([texts.index(value) for value in values]), texts
        level = CODES
    for at in range(level, items.codes.shape[1]):
        several, group = np.unique(items.codes[own, at], return_inverse=True)
        if len(several) > 1:
            n = min(len(several), config.width)
            group = group * n // len(several)
            texts = [_titles(own[group == each], items, config.titles) for each in range(n)]
            return at, group, texts
    return None


def _one_each(values: Sequence[Sequence[str]], width: int) -> list[str]:
    """One value of each item: of those of the most items, the one of the fewest."""
    counts = Counter(value for own in values for value in set(own))
    frequent = sorted(counts, key=lambda value: (-counts[value], value))
    rank = {value: n for n, value in enumerate(frequent)}
    chosen = [max(own, key=rank.__getitem__, default=OTHER) for own in values]
    used = Counter(chosen)
    common = sorted(used, key=lambda value: (-used[value], value))
    kept = {*common[: width if len(common) <= width else width - 1]}
    return [value if value in kept else OTHER for value in chosen]


def _titles(own: np.ndarray, items: TreeItems, n: int) -> str:
    """The titles of the ``n`` items of a group with the most training events."""
    ranked = sorted(own.tolist(), key=lambda item: (-items.counts[item], items.titles[item]))
    return "; ".join(items.titles[item] for item in ranked[:n])


def _unique(texts: Sequence[str]) -> list[str]:
    """``texts``, with a number where one is repeated."""
    taken: dict[str, None] = {}
    for text in texts:
        name, n = text, 1
        while name in taken:
            n += 1
            name = f"{text} #{n}"
        taken[name] = None
    return [*taken]
