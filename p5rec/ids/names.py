"""Names for nodes of the code tree: words that the items of a node have in common."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from p5rec.core.item_codes import ItemCodes
from p5rec.core.types import Catalog

from .prefixes import prefix_groups, rank_in_run

PRIOR, PRIOR_SHARE = 10.0, 0.1  # prior strength in items: a constant, and a share of the node
MIN_Z = 1.0  # least z-score of a word
MIN_SHARE = 0.03  # least share of the node's items with the word; at least two items have it
LONGEST = 40  # characters; shorter attribute values count as one word

# letters, digits, and combining vowel signs and accents, which \w does not match
_SIGNS = "\u0300-\u036f\u0591-\u05c7\u064b-\u0670\u0900-\u0dff\u0e31-\u0e4e"
_WORD = re.compile(rf"(?:[^\W_]|[{_SIGNS}])+")
_STOP_WORDS = frozenset(
    _WORD.findall(
        "about after all am an and any are as at be been before but by can did do for from had has "
        "have he her him his how if in into is it its ll me more my no nor not of off on or our "
        "out over own re she so some than that the their them then there they this to too under "
        "until up us was we were what when where which who whom why will with you your"
    )
)

Names = list[list[tuple[str, ...]]]


def node_names(codes: ItemCodes, catalog: Catalog, levels: int, words: int = 3) -> Names:
    """The most distinctive words of every node (prefix) of the first ``levels`` levels.

    Words come from titles and attribute values, in lower case; each item counts once per word.
    The score of a word compares its frequency in the node with the rest of the parent. It is the
    z-score of the log-odds ratio under an informative Dirichlet prior, here the frequency among all
    items (Monroe, Colaresi and Quinn 2008, "Fightin' Words", section 3.5.1). DEVIATION: each word
    has its own prior and odds per item, because a title is too short for word frequencies.

    Args:
        codes: codes of N items.
        catalog: the same N items.
        levels: number of levels to name, at most L.
        words: most words per node.

    Returns:
        Per level and per node, in the order of :func:`prefix_groups` (lexicographic): its words,
        best first, ties in alphabetical order. At least two items of the node and a share of
        ``MIN_SHARE`` have each word. A node of one item has the item's title instead; a node
        without distinctive words has none.
    """
    has, vocabulary = _word_table(catalog)
    usual = np.asarray(has.sum(axis=0)).ravel() / max(len(codes), 1)
    above = np.zeros(len(codes), dtype=np.int64)
    counts_above = _sums(has, above)
    names = []
    for level in range(levels):
        groups = prefix_groups(codes.codes, level + 1)
        _, rows, sizes = np.unique(groups, return_index=True, return_counts=True)
        counts = _sums(has, groups)
        parents = above[rows]
        beside = np.bincount(above)[parents] - sizes
        nodes, columns, here, there = _contrast(counts, counts_above, parents)
        score = _z_scores(here, sizes[nodes], there, beside[nodes], usual[columns])
        distinctive = (score > MIN_Z) & (here >= MIN_SHARE * sizes[nodes])
        best = _best(nodes[distinctive], columns[distinctive], score[distinctive], words)
        level_names = _words_by_node(*best, vocabulary, len(sizes))
        for node in np.flatnonzero(sizes == 1).tolist():
            level_names[node] = (catalog.titles[rows[node]],)
        names.append(level_names)
        above, counts_above = groups, counts
    return names


def _word_table(catalog: Catalog) -> tuple[sp.csr_array, np.ndarray]:
    """``(N, V)`` item-word matrix, and the words ``(V,)`` in alphabetical order."""
    numbers: dict[str, int] = {}
    columns, ends = array("q"), array("q", [0])
    for own in _items(catalog):
        columns.extend({numbers.setdefault(word, len(numbers)) for word in own})
        ends.append(len(columns))
    words = np.array([*numbers, ""], dtype=object)[:-1]  # an array even without words
    order = np.argsort(words, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    indices = rank[np.frombuffer(columns, dtype=np.int64)] if columns else np.zeros(0, np.int64)
    shape = (len(catalog), len(order))
    ones = np.ones(len(indices), dtype=np.int32)
    return sp.csr_array((ones, indices, np.frombuffer(ends, dtype=np.int64)), shape), words[order]


def _items(catalog: Catalog) -> Iterator[list[str]]:
    """The words of each item; words may repeat."""
    titles = catalog.table.column("title").to_pylist()  # missing titles stay empty here
    columns = [catalog.values(name) for name in catalog.attributes]
    for title, *attributes in zip(titles, *columns, strict=True):
        words = _words(title or "")
        for value in (value for values in attributes for value in values):
            words += [value.strip().lower()] if len(value) <= LONGEST else _words(value)
        yield [word for word in words if word]


def _words(text: str) -> list[str]:
    words = _WORD.findall(text.lower())
    return [w for w in words if w not in _STOP_WORDS and (len(w) > 1 or not w.isascii())]


def _sums(has: sp.csr_array, groups: np.ndarray) -> sp.csr_array:
    """``(G, V)`` number of items in each group with each word, columns in order."""
    n_items = len(groups)
    ones = np.ones(n_items, dtype=np.int32)
    shape = (int(groups.max(initial=-1)) + 1, n_items)
    counts = sp.csr_array((ones, (groups, np.arange(n_items))), shape) @ has
    counts.sort_indices()
    return counts


def _contrast(
    counts: sp.csr_array, counts_above: sp.csr_array, parents: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Node, word, count in the node and in the rest of its parent, for counts above 1."""
    width = counts.shape[1]
    often = counts.data > 1
    nodes, columns, here = _nodes(counts)[often], counts.indices[often], counts.data[often]
    keys = _nodes(counts_above) * width + counts_above.indices  # ascending
    there = counts_above.data[np.searchsorted(keys, parents[nodes] * width + columns)] - here
    return nodes, columns, here, there


def _nodes(counts: sp.csr_array) -> np.ndarray:
    return np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))


def _z_scores(
    here: np.ndarray, n_here: np.ndarray, there: np.ndarray, n_there: np.ndarray, usual: np.ndarray
) -> np.ndarray:
    """z-scores of the log-odds ratio of a word here and there; all arguments have one shape."""
    strength = PRIOR + PRIOR_SHARE * n_here
    prior, against = strength * usual, strength * (1 - usual).clip(1e-9)  # finite odds for
    yes, no = here + prior, n_here - here + against  # words that all items have
    other_yes, other_no = there + prior, n_there - there + against
    ratio = np.log(yes / no) - np.log(other_yes / other_no)
    z: np.ndarray = ratio / np.sqrt(1 / yes + 1 / no + 1 / other_yes + 1 / other_no)
    return z.round(9)  # equal counts get equal scores


def _best(
    nodes: np.ndarray, columns: np.ndarray, score: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k best words of each node, and their nodes in ascending order."""
    order = np.lexsort((columns, -score, nodes))
    order = order[rank_in_run(nodes[order]) < k]
    return nodes[order], columns[order]


def _words_by_node(
    nodes: np.ndarray, columns: np.ndarray, vocabulary: np.ndarray, n_nodes: int
) -> list[tuple[str, ...]]:
    by_node: list[tuple[str, ...]] = [()] * n_nodes
    starts = np.flatnonzero(np.diff(nodes, prepend=-1))
    for node, words in zip(
        nodes[starts].tolist(), np.split(vocabulary[columns], starts[1:]), strict=False
    ):
        by_node[node] = tuple(words)
    return by_node
