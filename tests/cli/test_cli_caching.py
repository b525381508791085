"""The same command twice does nothing twice; a changed seed of training re-makes what follows."""

from __future__ import annotations

import json
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
    kept = ("report.json", "report.html", "per_user.parquet", "config.yaml", "lists/mine.jsonl")
    for name in kept:
        first, second = (trained.folder / run / name for run in ("out", "again"))
        assert first.read_bytes() == second.read_bytes()
    code, out, _ = p5rec(*words, "methods.mine.train.seed=5")
    kept = [(name, "kept") for name in names[:3]]
    assert (code, stages(out)) == (0, [*kept, *((name, "made") for name in names[3:])])
    code, out, _ = p5rec(*words, "evaluate.samples=1")
    assert stages(out) == [*((name, "kept") for name in names[:5]), ("report", "made")]


def test_repeats_keep_the_first_run_and_add_others(
    p5rec: Any, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P5REC_HOME", str(trained.folder / "home"))
    folder = trained.folder / "twice"
    words = ("run", "sft", "--config", trained.config, "--out", folder, "repeats=2")
    code, out, _ = p5rec(*words)
    assert code == 0
    assert stages(out) == [
        ("data", "kept"), ("ids", "kept"), ("ids", "made"), ("baseline", "kept"),
        ("train", "kept"), ("train", "made"), ("answers", "kept"), ("answers", "made"),
        ("report", "made"),
    ]  # fmt: skip
    once, twice = (
        {
            method["name"]: method
            for method in json.loads((at / "report.json").read_text())["methods"]
            if method["task"] == "sequential"
        }
        for at in (trained.folder / "out", folder)
    )
    first, second = twice["mine"]["by_seed"]["HR@10"]
    assert first == once["mine"]["metrics"]["HR@10"]["value"]
    assert twice["mine"]["metrics"]["HR@10"]["value"] == pytest.approx((first + second) / 2)
    assert twice["popularity"]["by_seed"] == {}
    assert twice["popularity"]["metrics"] == once["popularity"]["metrics"]
