"""Forgetting in a run of APA: only the shards that had the events are trained again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from commands import enter, output_of, result
from forgettable_log import PERSON, events, write
from opposite_world import save_word_model

from p5rec.core.content import content_hash
from p5rec.core.errors import UserError
from p5rec.forget.stages import Stages
from p5rec.methods.systems.apa.examples import FILE, Examples
from p5rec.pipeline import method_runs

RECIPE = """
data: {source: table, path: log.csv, split: user-time, label: {rating_at_least: 4}}
ids: {}
baselines: []
methods:
  apa:
    kind: apa
    backbone: {name: MODEL, lora: {rank: 2, targets: [q_proj, v_proj]}}
    prompt: {history: 3}
    shards: 4
    partition: PARTITION
    similarity: tokens
    validation: 200
    train: {epochs: 1, batch: 8}
    tune: {}
evaluate: {lists: false, prompts: {click: all}, samples: 0}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = save_word_model(tmp_path_factory.mktemp("model"), width=16, layers=1)
    return folder


def begin(folder: Path, model: Path, partition: str, patch: pytest.MonkeyPatch) -> None:
    recipe = RECIPE.replace("MODEL", str(model)).replace("PARTITION", partition)
    enter(folder, recipe, patch)
    output_of("run", "my.yaml", "--jobs", "1")


def hashes(folder: Path) -> Counter[tuple[str, str]]:
    used = Stages.read(folder / "home/store").of_run(folder / "runs/my").values()
    return Counter((stage.kind, content_hash(stage.path)) for stage in used)


def adapters(folder: Path) -> Counter[str]:
    """The number of adapters in the receipt, by what became of them."""
    (path,) = (folder / "home/forget/receipts").glob("*.json")
    receipt: dict[str, Any] = json.loads(path.read_text())
    return Counter(one["state"] for one in receipt["artefacts"] if one["stage"] == "adapter")


@pytest.mark.parametrize("partition", ["user", "strict"])
def test_a_person_leaves(
    partition: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, never = tmp_path / "here", tmp_path / "never"
    for folder, chosen in ((here, None), (never, pl.col("user") != PERSON)):
        folder.mkdir()
        write(folder, chosen)
        begin(folder, model, partition, monkeypatch)
    enter(here, (here / "my.yaml").read_text(), monkeypatch)
    output_of("forget", "--user", PERSON, "--run", "runs/my", "--yes", "--jobs", "1")
    assert hashes(here) == hashes(never)
    kinds = Counter(stage.kind for stage in Stages.read(here / "home/store").by_key.values())
    # those of the person's held-out events, which are in no lineage, are gone as well
    assert kinds["validation-embed"] == 1
    assert kinds["validation-errors"] == 4
    states = adapters(here)
    assert sum(states.values()) == 4
    if partition == "user":
        assert states == {"computed again": 1, "untouched": 3}


def test_a_window_that_still_shows_the_event_is_found(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutant's key of a shard has the targets of its examples, and not what they show."""
    usual = method_runs.contents

    def targets_alone(folder: Path) -> dict[str, str]:
        if not (folder / FILE).is_file():
            return usual(folder)
        return {"keys": str(Examples.read(folder).keys.tolist())}

    monkeypatch.setattr(method_runs, "contents", targets_alone)
    write(tmp_path)
    begin(tmp_path, model, "strict", monkeypatch)
    events().filter(pl.col("user") == PERSON).head(1).select("user", "item").write_csv("one.csv")
    words = ("forget", "--events", "one.csv", "--run", "runs/my", "--yes", "--jobs", "1")
    error = result(*words).exception
    assert isinstance(error, UserError)
    assert "expected every stage that saw the events to be computed again, got ada" in str(error)
