"""What the items below a node of the code tree have in common, in a few words."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from p5rec.core.types import Catalog, ItemCodes

from .prefixes import prefix_groups, rank_in_run

PRIOR, PRIOR_SHARE = 10.0, 0.1  # the prior counts for so many items, and so many of the node's
SURE = 1.0  # standard deviations by which a word must be more frequent
COMMON = 0.03  # of the node's items must have it, and two
LONGEST = 40  # characters of an attribute's value that is a name as it stands

# letters and digits, and the vowel signs and accents that Python counts as neither
_SIGNS = "\u0300-\u036f\u0591-\u05c7\u064b-\u0670\u0900-\u0dff\u0e31-\u0e4e"
_WORD = re.compile(rf"(?:[^\W_]|[{_SIGNS}])+")
_EMPTY = frozenset(
    _WORD.findall(
        "about after all am an and any are as at be been before but by can did do for from had has "
        "have he her him his how if in into is it its ll me more my no nor not of off on or our "
        "out over own re she so some than that the their them then there they this to too under "
        "until up us was we were what when where which who whom why will with you your"
    )
)

Names = list[list[tuple[str, ...]]]


def node_names(codes: ItemCodes, catalog: Catalog, levels: int, words: int = 3) -> Names:
    """The most telling words of every node (prefix) of the first ``levels`` levels.

    Words are those of the titles and the whole values of the attributes, in lower case; an item
    has a word or has it not. They are ranked by how surely they are more frequent below the node
    than in the rest of its parent: the z-score of the log-odds ratio under an informative
    Dirichlet prior, here the frequency among all items (Monroe, Colaresi and Quinn 2008,
    "Fightin' Words", section 3.5.1). DEVIATION: each word has a prior and odds of its own, those
    that an item has it; a title is too short to be a sample of a language.

    Args:
        codes: of N items.
        catalog: the same N items.
        levels: how many levels to name, at most L.
        words: how many words a node has at most.

    Returns:
        Per level, per node in the order of :func:`prefix_groups` (lexicographic), its words, best
        first, equals in alphabetical order. At least two of the node's items have each word, and
        ``COMMON`` of them; a node of one item has that item's title instead; one that nothing
        sets apart has none.
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
        nodes, columns, here, there = _compared(counts, counts_above, parents)
        score = _surely_more(here, sizes[nodes], there, beside[nodes], usual[columns])
        told = (score > SURE) & (here >= COMMON * sizes[nodes])
        best = _best(nodes[told], columns[told], score[told], words)
        found = _listed(*best, vocabulary, len(sizes))
        for node in np.flatnonzero(sizes == 1).tolist():
            found[node] = (catalog.titles[rows[node]],)
        names.append(found)
        above, counts_above = groups, counts
    return names


def _word_table(catalog: Catalog) -> tuple[sp.csr_array, np.ndarray]:
    """``(N, V)`` which item has which word, and the words ``(V,)`` in alphabetical order."""
    numbers: dict[str, int] = {}
    columns, ends = array("q"), array("q", [0])
    for found in _items(catalog):
        columns.extend({numbers.setdefault(word, len(numbers)) for word in found})
        ends.append(len(columns))
    words = np.array([*numbers, ""], dtype=object)[:-1]  # an array also where there are none
    order = np.argsort(words, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    indices = place[np.frombuffer(columns, dtype=np.int64)] if columns else np.zeros(0, np.int64)
    shape = (len(catalog), len(order))
    ones = np.ones(len(indices), dtype=np.int32)
    return sp.csr_array((ones, indices, np.frombuffer(ends, dtype=np.int64)), shape), words[order]


def _items(catalog: Catalog) -> Iterator[list[str]]:
    """The words of each item, some of them twice."""
    titles = catalog.table.column("title").to_pylist()  # not the ids that stand in for them
    columns = [catalog.values(name) for name in catalog.attributes]
    for title, *attributes in zip(titles, *columns, strict=True):
        words = _words(title or "")
        for value in (value for values in attributes for value in values):
            words += [value.strip().lower()] if len(value) <= LONGEST else _words(value)
        yield [word for word in words if word]


def _words(text: str) -> list[str]:
    found = _WORD.findall(text.lower())
    return [w for w in found if w not in _EMPTY and (len(w) > 1 or not w.isascii())]


def _sums(has: sp.csr_array, groups: np.ndarray) -> sp.csr_array:
    """``(G, V)`` how many items of each group have each word, columns in order."""
    n_items = len(groups)
    ones = np.ones(n_items, dtype=np.int32)
    shape = (int(groups.max(initial=-1)) + 1, n_items)
    counts = sp.csr_array((ones, (groups, np.arange(n_items))), shape) @ has
    counts.sort_indices()
    return counts


def _compared(
    counts: sp.csr_array, counts_above: sp.csr_array, parents: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Node, word, count in the node and count beside it, where two of its items have the word."""
    width = counts.shape[1]
    often = counts.data > 1
    nodes, columns, here = _nodes(counts)[often], counts.indices[often], counts.data[often]
    keys = _nodes(counts_above) * width + counts_above.indices  # ascending
    there = counts_above.data[np.searchsorted(keys, parents[nodes] * width + columns)] - here
    return nodes, columns, here, there


def _nodes(counts: sp.csr_array) -> np.ndarray:
    return np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))


def _surely_more(
    here: np.ndarray, n_here: np.ndarray, there: np.ndarray, n_there: np.ndarray, usual: np.ndarray
) -> np.ndarray:
    """z of the log-odds ratio of having a word here and there, all arguments of one shape."""
    strength = PRIOR + PRIOR_SHARE * n_here
    prior, against = strength * usual, strength * (1 - usual).clip(1e-9)  # finite odds of a word
    yes, no = here + prior, n_here - here + against  # that all items have
    other_yes, other_no = there + prior, n_there - there + against
    ratio = np.log(yes / no) - np.log(other_yes / other_no)
    z: np.ndarray = ratio / np.sqrt(1 / yes + 1 / no + 1 / other_yes + 1 / other_no)
    return z.round(9)  # equal counts are to be equal scores


def _best(
    nodes: np.ndarray, columns: np.ndarray, score: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes, ascending, and the k best words of each."""
    order = np.lexsort((columns, -score, nodes))
    order = order[rank_in_run(nodes[order]) < k]
    return nodes[order], columns[order]


def _listed(
    nodes: np.ndarray, columns: np.ndarray, vocabulary: np.ndarray, n_nodes: int
) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [()] * n_nodes
    starts = np.flatnonzero(np.diff(nodes, prepend=-1))
    for node, part in zip(
        nodes[starts].tolist(), np.split(vocabulary[columns], starts[1:]), strict=False
    ):
        found[node] = tuple(part)
    return found
