"""The content hash of a folder: what changes it, and what does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from p5rec.core.content import content_hash


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/weights.bin").write_bytes(b"\x00\x01")
    (tmp_path / "about.json").write_text(json.dumps({"k": 5, "train_seconds": 1.5}))
    (tmp_path / "metrics.jsonl").write_text('{"loss": 1.0, "train_runtime": 2}\n{"loss": 0.5}\n')
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "report.html").write_text("took 3 s")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "content", "same"),
    [
        ("about.json", '{"train_seconds": 9.9, "k": 5}', True),
        ("about.json", '{"train_seconds": 1.5, "k": 6}', False),
        ("metrics.jsonl", '{"loss": 1.0, "train_runtime": 3}\n{"loss": 0.5}\n', True),
        ("metrics.jsonl", '{"loss": 1.0, "train_runtime": 2}\n{"loss": 0.4}\n', False),
        ("model/weights.bin", "\x00\x02", False),
        ("manifest.json", '{"seconds": 3}', True),
        ("report.html", "took 4 s", True),
        ("model/more.bin", "", False),
    ],
)
def test_times_do_not_count(folder: Path, file: str, content: str, same: bool) -> None:
    before = content_hash(folder)
    (folder / file).write_text(content)
    assert (content_hash(folder) == before) == same


def test_a_renamed_file_is_another_content(folder: Path) -> None:
    before = content_hash(folder)
    (folder / "model").rename(folder / "other")
    assert content_hash(folder) != before
