"""The interactive page of the code tree: its content, and that titles stay text."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest
from code_trees import HOSTILE, SMALL, catalog_of, codes_of, planted, sampled

from p5rec.core.item_codes import ItemCodes
from p5rec.ids.prefixes import prefix_groups
from p5rec.ids.sunburst_page import ASSETS, page, page_data, write_html


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))


def _data(text: str) -> dict:
    (block,) = re.findall(r'<script type="application/json" id="tree">(.*?)</script>', text, re.S)
    return json.loads(block)


def test_hostile_titles_stay_text() -> None:
    n = 12
    codes = codes_of([[row // 4, row % 4] for row in range(n)])
    calm = catalog_of(["calm"] * n, tag=["mild"] * n)
    wild = catalog_of([HOSTILE] * n, tag=[f"<b>{row // 4}" for row in range(n)])
    fierce = ItemCodes(codes.codes, codes.sizes, HOSTILE)
    text = page(page_data(fierce, wild))
    assert _Tags(text).tags == _Tags(page(page_data(codes, calm))).tags
    assert text.count("</script>") == 2
    assert "<img" not in text
    assert not re.search("[\u2028\u2029]", text)
    data = _data(text)
    assert data == page_data(fierce, wild)
    assert data["titles"][0] == HOSTILE.replace("\u2028\u2029", "")  # trailing white space
    assert ["<b>0"] in data["words"]
    assert HOSTILE[:20] in data["headline"]


def test_the_page_is_self_contained_and_runs_no_other_script() -> None:
    text = page(page_data(*planted()))
    script = text.rsplit("<script>", 1)[1].split("</script>")[0]
    style = text.split("<style>")[1].split("</style>")[0]
    for kind, source in (("script", script), ("style", style)):
        digest = b64encode(sha256(source.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", script)


def test_the_page_names_its_contents_and_folded_nodes() -> None:
    codes = sampled()
    catalog = catalog_of([f"title {row} " + "long " * 50 for row in range(500)])
    data = page_data(codes, catalog, cap=40)
    nodes = prefix_groups(codes.codes, 2).max() + 1
    assert "500 items" in data["headline"]
    assert f"{nodes} at b" in data["size"]
    fold = [row for row, code in enumerate(data["code"]) if code < 0]
    folded, items = (sum(data[key][row] for row in fold) for key in ("nodes", "items"))
    assert fold
    assert f"{folded} small nodes ({items} items)" in data["hidden"]
    assert data["hidden"].endswith("c hidden")
    assert all(1 <= len(rows) <= 5 for rows in data["examples"])
    assert max(map(len, data["titles"])) <= 120
    assert {len(data[key]) for key in ("ring", "parent", "fill", "words", "examples")} == {
        len(data["code"])
    }
    assert page_data(codes, catalog)["hidden"] == "Every node is visible"
    assert page(page_data(codes, catalog, cap=40)) == page(data)


@pytest.mark.parametrize("rows", SMALL)
def test_small_trees_have_a_page(rows: list, tmp_path: Path) -> None:
    write_html(codes_of(rows), catalog_of(["A title"] * len(rows)), tmp_path / "tree.html")
    data = _data((tmp_path / "tree.html").read_text(encoding="utf-8"))
    first = [n for n, ring in zip(data["items"], data["ring"], strict=True) if ring == 0]
    assert sum(first) == len(rows)


@pytest.mark.skipif(not shutil.which("node"), reason="no node")
def test_the_script_parses() -> None:
    subprocess.run(["node", "--check", str(ASSETS / "sunburst.js")], check=True)
