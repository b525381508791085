"""The GPU table: rows, time limits and errors; and its experiments with tiny models."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
ROW = '{"what": "speed", "value": 1234.5, "unit": "lists/s", "note": "a|b"}'


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Imports a script by name; the cache is a temporary folder."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.setenv("P5REC_HOME", str(tmp_path / "home"))
    return import_module


def child(body: str) -> list[str]:
    return [sys.executable, "-c", f"import sys, time\nprint('{ROW}', flush=True)\n{body}"]


def test_failed_and_slow_experiments_keep_their_rows(scripts: Any, tmp_path: Path) -> None:
    gpu: ModuleType = scripts("gpu_table")
    table = gpu.Table(tmp_path)
    gpu.measure(table, "whole", child(""), 60)
    gpu.measure(table, "broken", child("sys.exit('no such device')"), 60)
    gpu.measure(table, "endless", child("time.sleep(600)"), 2)
    rows = json.loads((tmp_path / "table.json").read_text())
    assert [(row["experiment"], row["what"]) for row in rows] == [
        ("whole", "speed"), ("broken", "speed"), ("broken", "broken"), ("endless", "speed"),
        ("endless", "endless"),
    ]  # fmt: skip
    assert rows[2]["failed"] == "no such device; see broken.log"
    assert rows[4]["failed"] == "stopped after 2 s; see endless.log"
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert lines[2] == "| whole | speed | 1,234 | lists/s | a/b |"
    assert len(lines) == 7


def test_decoding_with_tiny_models(scripts: Any, tmp_path: Path) -> None:
    experiments: ModuleType = scripts("gpu_experiments")
    rows = list(experiments.decoding(experiments.Settings(True, 60.0, tmp_path, tmp_path)))
    assert [row["unit"] for row in rows] == ["lists/s"] * 5
    assert all(math.isfinite(row["value"]) and row["value"] > 0 for row in rows)


def test_beauty_with_tiny_models(scripts: Any, tmp_path: Path) -> None:
    experiments: ModuleType = scripts("gpu_experiments")
    settings = experiments.Settings(True, 60.0, tmp_path, tmp_path)
    rows, spent = experiments.run(settings, 1)
    assert spent > 0
    assert [row["what"] for row in rows] == [
        f"{metric}, {name}"
        for name in ("popularity", "smollm2-network", "smollm2")
        for metric in ("HR@10", "NDCG@10")
    ]


@pytest.mark.nightly
def test_the_table_with_tiny_models(tmp_path: Path) -> None:
    own = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "P5REC_HOME": str(tmp_path / "home"),
    }
    command = [SCRIPTS / "gpu_table", "--tiny", "--out", tmp_path / "out"]
    subprocess.run(command, check=True, env={**os.environ, **own})
    rows = json.loads((tmp_path / "out" / "table.json").read_text())
    assert [row["what"] for row in rows if "failed" in row] == []
    assert list(dict.fromkeys(row["experiment"] for row in rows)) == [
        "machine", "decoding", "training", "beauty",
    ]  # fmt: skip
