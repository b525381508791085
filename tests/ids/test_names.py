"""Names of nodes, with planted words."""

from __future__ import annotations

import numpy as np
from code_trees import catalog_of, codes_of, planted

from p5rec.core.item_codes import ItemCodes
from p5rec.core.types import Catalog
from p5rec.ids.names import node_names


def test_nodes_are_named_by_the_planted_words() -> None:
    codes, catalog = planted()
    first, second, third = node_names(codes, catalog, 3)
    # words of half the node come second; ties are in alphabetical order
    assert first == [("fresh fruit", "apple", "pear"), ("garden tools", "hammer", "saw")]
    assert second == [("apple",), ("pear",), ("hammer",), ("saw",)]
    assert third[11] == ("The new Pear x11",)  # one item: its title
    assert node_names(codes, catalog, 1, words=1) == [[("fresh fruit",), ("garden tools",)]]


def test_names_do_not_depend_on_row_order() -> None:
    codes, catalog = planted()
    order = np.random.default_rng(1).permutation(len(codes))
    mixed = ItemCodes(codes.codes[order], codes.sizes, codes.scheme)
    assert node_names(mixed, Catalog(catalog.table.take(order)), 3) == node_names(codes, catalog, 3)


def test_a_word_of_one_item_names_no_larger_node() -> None:
    codes = codes_of([[0, row] for row in range(4)] + [[1, row] for row in range(300)])
    titles = ["kite red", "kite red alone", "kite", "kite"] + ["boat red"] * 150 + ["boat"] * 150
    # "red" is as frequent in the other node
    assert node_names(codes, catalog_of(titles), 1) == [[("kite",), ("boat",)]]


def test_words_with_larger_z_scores_come_first() -> None:
    codes = codes_of([[row // 20, row % 20] for row in range(40)])
    own = ["often" * (row < 18) + " seldom" * (row < 9) for row in range(20)]
    other = ["often" * (row < 2) + " seldom" * (row < 1) for row in range(20)]
    assert node_names(codes, catalog_of(own + other), 1)[0][0] == ("often", "seldom")


def test_a_rare_word_does_not_name_a_large_node() -> None:
    codes = codes_of([[row // 100, row % 100] for row in range(200)])
    titles = ["wide" * (row < 90) + " rare" * (row < 2) for row in range(200)]
    assert node_names(codes, catalog_of(titles), 1)[0][0] == ("wide",)


def test_items_without_a_title_or_in_other_scripts() -> None:
    codes = codes_of([[row // 3, row % 3] for row in range(12)])
    titles = [
        None,
        "",
        None,
        "новый МИР",
        "мир",
        "мир и война",
        "日本 の",
        "日本",
        "山",
        "हिन्दी",
        "हिन्दी",
        "x",
    ]
    names = node_names(codes, catalog_of(titles), 2)
    assert names[0] == [(), ("мир",), ("日本",), ("हिन्दी",)]
    assert names[1][0] == ("item i0",)


def test_an_only_child_has_no_distinctive_words() -> None:
    codes = codes_of([[0, 0, row] for row in range(5)])
    assert node_names(codes, catalog_of(["same word"] * 5), 2) == [[()], [()]]


def test_long_values_are_split_into_words() -> None:
    codes = codes_of([[row // 4, row % 4] for row in range(8)])
    long = "a gentle story that goes on about whales and never seems to end at all"
    catalog = catalog_of([""] * 8, about=[long] * 4 + [" "] * 4)
    named, blank = node_names(codes, catalog, 1, words=9)[0]
    assert "whales" in named
    assert not blank
