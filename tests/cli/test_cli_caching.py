"""A repeated command uses the cache; a change re-makes its dependent stages alone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from my_folder import Trained

REFERENCES = ["fit", "reference"] * 5  # the rating baselines, on the rating queries
NAMES = ["data", "ids", "fit", "fit", "predictions", "predictions", *REFERENCES, "report"]


def stages(said: str) -> list[tuple[str, str]]:
    """``(stage, made or cached)`` in order."""
    found = re.findall(r"^(\w+)(?: [\w-]+)?: (made|cached) ", said, flags=re.MULTILINE)
    return [(stage, how) for stage, how in found]


def test_caching(p5rec: Any, trained: Trained, home: Path) -> None:
    shutil.copytree(trained.folder / "home", home)
    assert stages(trained.output) == [(name, "made") for name in NAMES]
    words = ("run", "sft", "--config", trained.config, "--out", trained.folder / "again")
    code, out, _ = p5rec(*words)
    assert (code, stages(out)) == (0, [(name, "cached") for name in NAMES])
    unchanged = (
        "report.json",
        "report.html",
        "per_user.parquet",
        "config.yaml",
        "lists/mine.jsonl",
    )
    for name in unchanged:
        first, second = (trained.folder / run / name for run in ("out", "again"))
        assert first.read_bytes() == second.read_bytes()
    code, out, _ = p5rec(*words, "methods.mine.train.seed=5")
    again = {3, 5, len(NAMES) - 1}  # the references have the same queries as before
    assert code == 0
    assert stages(out) == [
        (name, "made" if n in again else "cached") for n, name in enumerate(NAMES)
    ]


@pytest.mark.parametrize("change", ["evaluate.samples=1", "notes=[read me]"])
def test_samples_and_notes_re_make_the_report_alone(
    p5rec: Any, trained: Trained, home: Path, change: str
) -> None:
    """One more sample or note re-makes no fit, and the reported time is unchanged."""
    shutil.copytree(trained.folder / "home", home)
    out = trained.folder / change.partition("=")[0]
    code, said, _ = p5rec("run", "sft", "--config", trained.config, "--out", out, change)
    assert (code, [name for name, how in stages(said) if how == "made"]) == (0, ["report"])
    first, second = (json.loads((at / "report.json").read_text()) for at in (trained.out, out))
    assert first["seconds"] == second["seconds"] > 0
    assert first["methods"] == second["methods"]


def test_repeats_keep_the_first_run_and_add_others(
    p5rec: Any, trained: Trained, home: Path
) -> None:
    shutil.copytree(trained.folder / "home", home)
    folder = trained.folder / "twice"
    words = ("run", "sft", "--config", trained.config, "--out", folder, "repeats=2")
    code, out, _ = p5rec(*words)
    assert code == 0
    assert stages(out) == [
        ("data", "cached"), ("ids", "cached"), ("ids", "made"), ("fit", "cached"),
        ("fit", "cached"), ("fit", "made"), ("predictions", "cached"),
        ("predictions", "cached"), ("predictions", "made"),
        *((name, "cached") for name in REFERENCES), ("report", "made"),
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
