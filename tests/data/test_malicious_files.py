"""Files crafted to break a parser give a one-line error."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from p5rec.core.artefacts import read_json
from p5rec.core.config import overridden, read_yaml
from p5rec.core.errors import UserError
from p5rec.data.fetch import Wheel, _unpack
from p5rec.data.sources import amazon

GOOD = "{'asin': 'a', 'title': 'A', 'categories': [['x', 'y']], 'brand': 3}\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + inner] * 8)}]\n"
    for inner, name in zip("abcdefghij", "bcdefghijk", strict=True)
)


def refused(call: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        call()
    (line,) = caught.value.lines
    assert "\n" not in line
    assert len(line) < 400


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("['asin', 'b']", r"meta.json:2: expected a Python mapping"),
        ("{'asin': " + "[" * 5000 + "]" * 5000 + "}", r"meta.json:2: expected a Python mapping"),
        ("-" * 100_000 + "1", r"meta.json:2: expected a Python mapping"),
        ("{[]: 1}", r"meta.json:2: expected a Python mapping"),
        ("{'asin': __import__('os').getcwd()}", r"meta.json:2: expected a Python mapping"),
        ("{'asin': '" + "x" * 2**20 + "'}", r"meta.json:2: expected lines of at most 1,048,576"),
    ],
)
def test_literals(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "meta.json").write_text(GOOD + line + "\n" + GOOD)
    refused(lambda: amazon._metadata(tmp_path / "meta.json"), message)


def test_good_literals_and_a_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "meta.json.gz"
    path.write_bytes(gzip.compress((GOOD * 2000).encode())[:-20])
    refused(lambda: amazon._metadata(path), "meta.json.gz: expected a complete file")
    path.write_bytes(gzip.compress(GOOD.encode()))
    assert amazon._metadata(path).rows() == [("a", "A", "3", ["x", "y"])]


@pytest.mark.parametrize(
    "text", [BOMB, "a: " + "[" * 5000 + "]" * 5000, "a: &a [*a]", "a: &a {b: *a}"]
)
def test_yaml(tmp_path: Path, text: str) -> None:
    (tmp_path / "bomb.yaml").write_text(text)
    refused(lambda: read_yaml(tmp_path / "bomb.yaml"), "bomb.yaml: expected readable YAML")
    if "\n" not in text:
        with pytest.raises(UserError):
            overridden({}, {}, ["x=" + text.removeprefix("a: ")])


def test_json(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 200_000)
    refused(lambda: read_json(tmp_path / "deep.json"), "deep.json: expected valid JSON")


@pytest.mark.parametrize("name", ["m/../../evil", "/m/evil", "../evil", "C:/evil", "m\\..\\evil"])
def test_names_in_a_wheel(tmp_path: Path, name: str) -> None:
    with ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr("m/good", "good")
        archive.writestr(name, "evil")
    wheel = Wheel("a==1", "", "m", (), 1)
    refused(lambda: _unpack(tmp_path / "a.whl", wheel, tmp_path / "out" / "deep"), "a.whl: .*wheel")
    assert not list(tmp_path.rglob("evil*"))
