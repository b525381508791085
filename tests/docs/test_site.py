"""The site builds without a warning, asks no other host for anything, and its links resolve."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

build = pytest.importorskip("mkdocs.commands.build", reason="needs the extra docs")

ROOT = Path(__file__).parents[2]
TAG = re.compile(r"<([a-z0-9]+)\b([^>]*)>")
ATTRIBUTE = re.compile(r"\b(id|name|src|href|srcset|poster|data)=(\"[^\"]*\"|'[^']*'|[^\s>]+)")
NAMES = ("id", "name")
STYLE = re.compile(r"url\(\s*['\"]?(?:https?:)?//")


def attributes(text: str) -> Iterator[tuple[str, str, str]]:
    """Tag, attribute and value of what names a place or a file, in the order of the text."""
    for tag in TAG.finditer(text):
        for name, value in ATTRIBUTE.findall(tag[2]):
            yield tag[1], name, unescape(value.strip("'\""))


def test_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mkdocs.config import load_config

    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=True)
    build.build(config)
    site = tmp_path / "site"
    styles = [path.read_text() for path in site.rglob("*.css")]
    assert not any(map(STYLE.search, styles))
    pages = {path: path.read_text() for path in site.rglob("*.html") if path.name != "404.html"}
    records = list((ROOT / "docs").rglob("results/*/report.json"))
    assert len([path for path in pages if path.name == "full.html"]) == len(records)
    assert not any('class="mermaid"' in text for text in pages.values())  # drawn by a CDN's script
    named = {path: list(attributes(text)) for path, text in pages.items()}
    ids = {path: {v for _, name, v in each if name in NAMES} for path, each in named.items()}
    external, broken = [], []
    for path, each in named.items():
        links = [(tag, value) for tag, name, value in each if name not in NAMES]
        external += [(path.name, value) for tag, value in links if tag != "a" and _away(value)]
        broken += [
            (path.name, value)
            for tag, value in links
            if tag == "a" and not _there(path, value, ids)
        ]
    assert external == []
    assert broken == []


def _away(link: str) -> bool:
    return bool(urlsplit(link).netloc)


def _there(page: Path, link: str, ids: dict[Path, set[str]]) -> bool:
    """Whether a link of a page leads away, or to a file and an anchor that are there."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target.is_dir():
        target /= "index.html"
    anchor = unquote(parts.fragment)
    return target.is_file() and (not anchor or target.suffix != ".html" or anchor in ids[target])
