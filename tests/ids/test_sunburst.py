"""Names of nodes and pictures of the code tree, in worlds where the answer is planted."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.image import imread

from p5rec.core.types import Catalog, ItemCodes
from p5rec.ids.names import node_names
from p5rec.ids.prefixes import prefix_groups
from p5rec.ids.sunburst import (
    SCRIPT,
    Wedges,
    _apart,
    _with_room,
    colours,
    page,
    page_data,
    wedges,
    write_html,
    write_png,
)

HOSTILE = "</script><img src=x onerror=\"alert('&')\"><!--<script>\u2028\u2029"


def _catalog(titles: list[str | None], **attributes: list) -> Catalog:
    ids = [f"i{row}" for row in range(len(titles))]
    return Catalog(pa.table({"item": ids, "title": pa.array(titles, pa.string()), **attributes}))


def _codes(rows: list | np.ndarray, scheme: str = "planted") -> ItemCodes:
    array = np.array(rows, dtype=np.int32)
    return ItemCodes(array, tuple(int(size) for size in array.max(axis=0) + 1), scheme)


def _planted() -> tuple[ItemCodes, Catalog]:
    """Two topics of two words, ten items each; every title has "the", "new" and a word alone."""
    words = np.repeat(["apple", "pear", "hammer", "saw"], 10)
    rows = [(word // 20, word // 10 % 2, word % 10) for word in range(40)]
    titles = [f"The new {word.title()} x{row:02d}" for row, word in enumerate(words)]
    kinds = [["Fresh fruit"]] * 20 + [["Garden Tools"]] * 20
    return _codes(rows), _catalog(titles, kind=kinds, price=[1.5] * 40)


def _random(n: int = 500, sizes: tuple[int, ...] = (6, 7, 40)) -> ItemCodes:
    rng = np.random.default_rng(0)
    drawn = (rng.random((4 * n, len(sizes))) ** 2 * sizes).astype(np.int32)
    rows = rng.permutation(np.unique(drawn, axis=0))[:n]
    assert len(rows) == n
    return ItemCodes(rows, sizes, "random")


# --- names ---


def test_nodes_are_named_by_the_planted_words() -> None:
    codes, catalog = _planted()
    first, second, third = node_names(codes, catalog, 3)
    # the words of half the node come second, and being equal in alphabetical order
    assert first == [("fresh fruit", "apple", "pear"), ("garden tools", "hammer", "saw")]
    assert second == [("apple",), ("pear",), ("hammer",), ("saw",)]
    assert third[11] == ("The new Pear x11",)  # one item: its title
    assert node_names(codes, catalog, 1, words=1) == [[("fresh fruit",), ("garden tools",)]]


def test_names_do_not_follow_the_order_of_the_rows() -> None:
    codes, catalog = _planted()
    order = np.random.default_rng(1).permutation(len(codes))
    mixed = ItemCodes(codes.codes[order], codes.sizes, codes.scheme)
    assert node_names(mixed, Catalog(catalog.table.take(order)), 3) == node_names(codes, catalog, 3)


def test_a_word_of_one_item_names_no_larger_node() -> None:
    codes = _codes([[0, row] for row in range(4)] + [[1, row] for row in range(300)])
    titles = ["kite red", "kite red alone", "kite", "kite"] + ["boat red"] * 150 + ["boat"] * 150
    # "red" is as frequent beside
    assert node_names(codes, _catalog(titles), 1) == [[("kite",), ("boat",)]]


def test_surer_words_come_first() -> None:
    codes = _codes([[row // 20, row % 20] for row in range(40)])
    here = ["often" * (row < 18) + " seldom" * (row < 9) for row in range(20)]
    there = ["often" * (row < 2) + " seldom" * (row < 1) for row in range(20)]
    assert node_names(codes, _catalog(here + there), 1)[0][0] == ("often", "seldom")


def test_a_rare_word_does_not_stand_for_a_large_node() -> None:
    codes = _codes([[row // 100, row % 100] for row in range(200)])
    titles = ["wide" * (row < 90) + " rare" * (row < 2) for row in range(200)]
    assert node_names(codes, _catalog(titles), 1)[0][0] == ("wide",)


def test_items_without_a_title_or_in_other_scripts() -> None:
    codes = _codes([[row // 3, row % 3] for row in range(12)])
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
    names = node_names(codes, _catalog(titles), 2)
    assert names[0] == [(), ("мир",), ("日本",), ("हिन्दी",)]
    assert names[1][0] == ("item i0",)


def test_an_only_child_has_no_words_of_its_own() -> None:
    codes = _codes([[0, 0, row] for row in range(5)])
    assert node_names(codes, _catalog(["same word"] * 5), 2) == [[()], [()]]


def test_long_values_are_read_word_by_word() -> None:
    codes = _codes([[row // 4, row % 4] for row in range(8)])
    long = "a gentle story that goes on about whales and never seems to end at all"
    catalog = _catalog([""] * 8, about=[long] * 4 + [" "] * 4)
    named, blank = node_names(codes, catalog, 1, words=9)[0]
    assert "whales" in named
    assert not blank


# --- layout ---


@pytest.mark.parametrize("cap", [4_000, 200, 40, 12])
def test_children_fill_their_parent_and_the_first_ring_the_circle(cap: int) -> None:
    codes = _random()
    laid = wedges(codes, cap=cap)
    assert len(laid) <= cap
    _fills(laid, -1, 0, len(codes))
    for wedge in range(len(laid)):
        if (laid.parent == wedge).any():
            assert laid.code[wedge] >= 0
            _fills(laid, wedge, int(laid.first[wedge]), int(laid.items[wedge]))
    np.testing.assert_array_equal(np.sort(laid.order), np.arange(len(codes)))


def _fills(laid: Wedges, parent: int, first: int, items: int) -> None:
    inside = np.flatnonzero(laid.parent == parent)
    ends = laid.first[inside] + laid.items[inside]
    np.testing.assert_array_equal(laid.first[inside], np.r_[first, ends[:-1]])
    assert ends[-1] == first + items
    shown = laid.code[inside][laid.code[inside] >= 0]
    assert (np.diff(shown) > 0).all()
    assert (laid.code[inside][len(shown) :] == -1).all()  # folded ones last, and one at most
    assert len(inside) - len(shown) <= 1


@pytest.mark.parametrize("cap", [4_000, 200, 40])
def test_a_wedge_holds_the_items_of_its_prefix(cap: int) -> None:
    codes = _random()
    laid = wedges(codes, cap=cap)
    for wedge in range(len(laid)):
        path, up = [], wedge
        while up >= 0:
            path, up = [int(laid.code[up]), *path], int(laid.parent[up])
        known = path[:-1] if path[-1] < 0 else path
        rows = laid.order[laid.first[wedge] : laid.first[wedge] + laid.items[wedge]]
        assert (codes.codes[rows, : len(known)] == known).all()
        if path[-1] >= 0:
            assert len(rows) == (codes.codes[:, : len(path)] == path).all(axis=1).sum()
            assert laid.node[wedge] == prefix_groups(codes.codes, len(path))[rows[0]]


def test_folding_keeps_the_largest_and_counts_the_rest() -> None:
    codes = _random(sizes=(40, 30, 5))
    sizes = np.bincount(codes.codes[:, 0], minlength=40)
    laid = wedges(codes, cap=10)
    assert laid.rings == 1
    assert laid.code.tolist()[-1] == -1
    assert (laid.nodes[-1], laid.items[-1]) == ((sizes > 0).sum() - 9, np.sort(sizes)[:-9].sum())
    assert sizes[laid.code[:-1]].min() >= np.sort(sizes)[-9]


def test_nodes_of_one_size_are_folded_in_turn() -> None:
    codes = _codes([[a, b, c] for a in range(3) for b in range(4) for c in range(5 + b)])
    laid = wedges(codes, cap=3 + 12 + 30)
    leaves = laid.ring == 2
    shown = np.bincount(laid.parent[leaves & (laid.code >= 0)], minlength=len(laid))[3:15]
    assert shown.min() >= 1
    assert shown.max() - shown.min() <= 1
    assert laid.items[leaves].sum() == len(codes)


def test_every_parent_keeps_its_largest_child() -> None:
    large = [[0, b, c] for b in range(10) for c in range(5)]
    codes = _codes(large + [[1, b, 0] for b in range(9)] + [[1, 9, c] for c in range(2)])
    laid = wedges(codes, cap=2 + 8)
    assert laid.code[laid.parent == 0].tolist() == [0, 1, 2, 3, 4, -1]
    assert laid.code[laid.parent == 1].tolist() == [9, -1]


def test_no_node_is_folded_alone() -> None:
    laid = wedges(_codes([[0, b] for b in range(3)] + [[1, b] for b in range(8)]), cap=2 + 6)
    assert laid.code[laid.parent == 0].tolist() == [0, 1, 2]
    assert laid.nodes[laid.parent == 1].tolist() == [1, 1, 6]


def test_examples_are_of_the_wedge() -> None:
    laid = wedges(_random())
    for wedge, rows in enumerate(laid.examples()):
        mine = laid.order[laid.first[wedge] : laid.first[wedge] + laid.items[wedge]]
        assert len(rows) == len(set(rows.tolist())) == min(5, len(mine))
        assert set(rows.tolist()) <= set(mine.tolist())


def test_text_reads_on_every_colour() -> None:
    laid = wedges(_random())
    found = colours(laid)
    assert len(found) == len(laid)
    for ring, colour in zip(laid.ring, found, strict=True):
        assert re.fullmatch("#[0-9a-f]{6}", colour)
        white, black = (_contrast(colour, ink) for ink in ("#ffffff", "#141414"))
        assert (white if ring == 0 else black) > 4.5
    first = [c for c, ring in zip(found, laid.ring, strict=True) if ring == 0]
    assert len(set(first)) == len(first)


def _contrast(one: str, other: str) -> float:
    """Of WCAG 2."""
    light = []
    for colour in (one, other):
        x = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(x > 0.04045, ((x + 0.055) / 1.055) ** 2.4, x / 12.92)
        light.append(linear @ [0.2126, 0.7152, 0.0722] + 0.05)
    return max(light) / min(light)


# --- pictures ---


def test_names_beside_the_circle_keep_apart() -> None:
    rng = np.random.default_rng(2)
    for n in (1, 2, 9):
        wanted = np.sort(rng.uniform(0, 8, n))[::-1]
        heights = _apart(wanted, 0.8, 0, 8)
        assert (np.diff(heights) <= -0.8 + 1e-9).all()
        assert heights.min() >= -1e-9
        assert heights.max() <= 8 + 1e-9
    np.testing.assert_allclose(_apart(np.array([6.0, 3.0]), 0.8, 0, 8), [6, 3])  # as they wish
    wanted, items = np.linspace(5, 4, 50), np.arange(50)
    chosen, heights = _with_room(wanted, items, 0, 8)
    assert 49 in chosen.tolist()  # the largest
    assert 2 <= len(chosen) < 50
    assert np.abs(heights - wanted[chosen]).max() <= 0.5


def test_the_picture_is_drawn_within_its_margins(tmp_path: Path) -> None:
    codes, catalog = _random(), _catalog([f"{HOSTILE} $x^2$ word{row % 7}" for row in range(500)])
    write_png(codes, catalog, tmp_path / "a" / "tree.png")
    picture = imread(tmp_path / "a" / "tree.png")[..., :3]
    assert picture.shape == (1350, 1800, 3)
    edge = np.ones((1350, 1800), dtype=bool)
    edge[12:-12, 12:-12] = False
    assert (picture[edge] == 1).all()
    hues = np.unique((picture[300:1200, 400:1400] * 255).round().reshape(-1, 3), axis=0)
    assert len(hues) > 100
    write_png(codes, catalog, tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "a" / "tree.png").read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"a", "again.png"}


@pytest.mark.parametrize(
    "rows", [[[0]], [[3], [1], [0]], [[2, 5]], [[0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]]]
)
def test_small_trees_are_drawn(rows: list, tmp_path: Path) -> None:
    codes, catalog = _codes(rows), _catalog(["A title"] * len(rows))
    write_png(codes, catalog, tmp_path / "tree.png")
    write_html(codes, catalog, tmp_path / "tree.html")
    assert (tmp_path / "tree.png").stat().st_size > 10_000
    data = _data((tmp_path / "tree.html").read_text(encoding="utf-8"))
    assert sum(n for n, ring in zip(data["items"], data["ring"], strict=True) if not ring) == len(
        rows
    )


# --- the page ---


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


def _data(text: str) -> dict:
    (block,) = re.findall(r'<script type="application/json" id="tree">(.*?)</script>', text, re.S)
    return json.loads(block)


def test_strangers_titles_stay_text(tmp_path: Path) -> None:
    n = 12
    codes = _codes([[row // 4, row % 4] for row in range(n)])
    calm = _catalog(["calm"] * n, tag=["mild"] * n)
    wild = _catalog([HOSTILE] * n, tag=[f"<b>{row // 4}" for row in range(n)])
    fierce = ItemCodes(codes.codes, codes.sizes, HOSTILE)
    text = page(page_data(fierce, wild))
    assert _Tags(text).found == _Tags(page(page_data(codes, calm))).found
    assert text.count("</script>") == 2
    assert "<img" not in text
    assert not re.search("[\u2028\u2029]", text)
    data = _data(text)
    assert data == page_data(fierce, wild)
    assert data["titles"][0] == HOSTILE.replace("\u2028\u2029", "")  # the white space at its end
    assert ["<b>0"] in data["words"]
    assert HOSTILE[:20] in data["headline"]


def test_the_page_needs_nothing_and_lets_nothing_else_run() -> None:
    text = page(page_data(*_planted()))
    script = text.rsplit("<script>", 1)[1].split("</script>")[0]
    style = text.split("<style>")[1].split("</style>")[0]
    for kind, source in (("script", script), ("style", style)):
        digest = b64encode(sha256(source.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", script)


def test_the_page_says_what_is_in_it_and_what_is_folded() -> None:
    codes = _random()
    catalog = _catalog([f"title {row} " + "long " * 50 for row in range(500)])
    data = page_data(codes, catalog, cap=40)
    nodes = prefix_groups(codes.codes, 2).max() + 1
    assert "500 items" in data["headline"]
    assert f"{nodes} at b" in data["size"]
    fold = [row for row, code in enumerate(data["code"]) if code < 0]
    folded, items = (sum(data[key][row] for row in fold) for key in ("nodes", "items"))
    assert fold
    assert f"{folded} small nodes ({items} items)" in data["hidden"]
    assert data["hidden"].endswith("c not shown")
    assert all(1 <= len(places) <= 5 for places in data["examples"])
    assert max(map(len, data["titles"])) <= 120
    assert {len(data[key]) for key in ("ring", "parent", "fill", "words", "examples")} == {
        len(data["code"])
    }
    assert page_data(codes, catalog)["hidden"] == "Every node is shown"
    assert page(page_data(codes, catalog, cap=40)) == page(data)


@pytest.mark.skipif(not shutil.which("node"), reason="no node")
def test_the_script_parses(tmp_path: Path) -> None:
    (tmp_path / "script.js").write_text(SCRIPT, encoding="utf-8")
    subprocess.run(["node", "--check", tmp_path / "script.js"], check=True)
