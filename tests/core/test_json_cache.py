"""The JSON cache between processes, and the parsed sources in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from p5rec.core import code
from p5rec.core.code import PARSED, Code
from p5rec.core.json_cache import JsonCache


def test_a_value_is_valid_for_its_key_and_version(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.json"
    first = JsonCache(path, "1")
    first.put("a", "key", [1, ["b"]])
    first.save()
    assert [p.name for p in path.parent.iterdir()] == ["file.json"]
    assert JsonCache(path, "1").get("a", "key") == [1, ["b"]]
    assert JsonCache(path, "1").get("a", "other") is None
    assert JsonCache(path, "1").get("b", "key") is None
    assert JsonCache(path, "2").get("a", "key") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"version": "1"}'])
def test_a_damaged_file_is_ignored(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    assert JsonCache(path, "1").get("a", "key") is None


def test_an_unwritable_file_raises_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    cache = JsonCache(tmp_path / "file" / "below.json", "1")
    cache.put("a", "key", 1)
    cache.save()
    assert cache.get("a", "key") == 1


def test_sources_are_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P5REC_HOME", str(tmp_path / "home"))
    source = tmp_path / "p5rec" / "work.py"
    source.parent.mkdir()
    source.write_text("def work():\n    return 1\n")

    def read_again() -> str:
        code._read.cache_clear()
        code._parsed.cache_clear()
        return Code(tmp_path).digest("p5rec.work:work")

    first = read_again()
    assert (tmp_path / "home" / PARSED).is_file()
    with monkeypatch.context() as patch:
        patch.setattr(code, "_parse", None)
        assert read_again() == first
    source.write_text("def work():\n    return 2\n")
    assert read_again() != first
    (tmp_path / "home" / PARSED).write_text("{")
    assert read_again() != first
