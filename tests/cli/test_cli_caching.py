"""The same command twice does nothing twice; a changed seed of training re-makes what follows."""

from __future__ import annotations

from typing import Any

import pytest
from my_folder import Trained


def stages(said: str) -> list[tuple[str, str]]:
    """``(stage, made or kept)`` in order."""
    lines = [line.split() for line in said.splitlines() if ": made " in line or ": kept " in line]
    return [(line[0].rstrip(":"), line[1]) for line in lines]


def test_caching(p5rec: Any, trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P5REC_HOME", str(trained.folder / "home"))
    names = ["data", "ids", "baseline", "train", "answers", "report"]
    assert stages(trained.said) == [(name, "made") for name in names]
    words = ("run", "sft", "--config", trained.config, "--out", trained.folder / "again")
    code, out, _ = p5rec(*words)
    assert (code, stages(out)) == (0, [(name, "kept") for name in names])
    for name in ("report.json", "report.md", "config.yaml", "lists/mine.jsonl"):
        first, second = (trained.folder / run / name for run in ("out", "again"))
        assert first.read_bytes() == second.read_bytes()
    code, out, _ = p5rec(*words, "methods.mine.train.seed=5")
    kept = [(name, "kept") for name in names[:3]]
    assert (code, stages(out)) == (0, [*kept, *((name, "made") for name in names[3:])])
    code, out, _ = p5rec(*words, "evaluate.samples=1")
    assert stages(out) == [*((name, "kept") for name in names[:5]), ("report", "made")]
