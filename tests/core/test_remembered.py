"""What one process remembers for the next, and what it does not trust."""

from __future__ import annotations

from pathlib import Path

import pytest

from p5rec.core import code
from p5rec.core.code import PARSED, Code
from p5rec.core.remembered import Remembered


def test_a_value_is_read_again_under_its_key_and_version_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.json"
    first = Remembered(path, "1")
    first.put("a", "key", [1, ["b"]])
    first.save()
    assert [p.name for p in path.parent.iterdir()] == ["file.json"]
    assert Remembered(path, "1").get("a", "key") == [1, ["b"]]
    assert Remembered(path, "1").get("a", "other") is None
    assert Remembered(path, "1").get("b", "key") is None
    assert Remembered(path, "2").get("a", "key") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"version": "1"}'])
def test_a_damaged_file_is_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    assert Remembered(path, "1").get("a", "key") is None


def test_where_nothing_can_be_written_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    kept = Remembered(tmp_path / "file" / "below.json", "1")
    kept.put("a", "key", 1)
    kept.save()
    assert kept.get("a", "key") == 1


def test_sources_are_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P5REC_HOME", str(tmp_path / "home"))
    source = tmp_path / "p5rec" / "work.py"
    source.parent.mkdir()
    source.write_text("def work():\n    return 1\n")

    def anew() -> str:
        code._read.cache_clear()
        code._parsed.cache_clear()
        return Code(tmp_path).digest("p5rec.work:work")

    first = anew()
    assert (tmp_path / "home" / PARSED).is_file()
    with monkeypatch.context() as patch:
        patch.setattr(code, "_parse", None)
        assert anew() == first
    source.write_text("def work():\n    return 2\n")
    assert anew() != first
    (tmp_path / "home" / PARSED).write_text("{")
    assert anew() != first
