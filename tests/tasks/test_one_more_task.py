"""A new task needs one file and one registry line; every command supports it."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import enter, figures, output_of, report, result

from p5rec.prompting.instances import EvaluationSource
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.sample import sample_view
from p5rec.tasks.registry import TASKS

RECIPE = """
data: {source: synthetic, synthetic: {kind: markov, users: 60, items: 30, events: 10}}
baselines: [popularity]
methods:
  mine: {kind: item-click-rate, smoothing: 1.0}
evaluate: {k: 10, prompts: {rated-well: 40}, compare: [[mine, item-click-rate]]}
"""
FAMILY = """
family: well
task: rated-well
description: Whether the user rated the item above the middle.
target_type: yesno
fields: {title: title, verdict: text}
few_shot: {example: "{source} {target}"}
templates:
  - id: plainly
    version: 1
    source: '{examples}Did they like "{title}"?'
    target: "{verdict}"
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(TASKS._targets, "rated-well", "rated_well:RATED_WELL")
    return enter(tmp_path, RECIPE, monkeypatch)


def test_every_command_supports_it(here: Path) -> None:
    output_of("run", "my.yaml")
    methods = figures("runs/my", "rated-well")
    assert methods.keys() == {"mine", "item-click-rate"}
    assert methods["mine"]["metrics"].keys() == {"accuracy", "AUC", "log loss", "Brier"}
    assert methods["mine"]["n"] == 40
    (pair,) = (c for c in report("runs/my")["comparisons"] if c["task"] == "rated-well")
    assert (pair["a"], pair["b"]) == ("mine", "item-click-rate")

    output_of("evaluate", "--model", "runs/my/models/mine", "--out", "again")
    assert figures("again", "rated-well")["mine"]["metrics"] == methods["mine"]["metrics"]
    table = output_of("report", "show", "runs/my")
    head = next(line for line in table.splitlines() if "Brier" in line)
    assert head.split()[:3] == ["method", "Brier", "accuracy"]


def test_prompt_templates_can_render_it(here: Path) -> None:
    (here / "families").mkdir()
    (here / "families" / "well.yaml").write_text(FAMILY)
    library = PromptLibrary.load(extra=[here / "families"])
    examples = EvaluationSource(sample_view(), library, "well", "test")
    assert {e.source.partition('"')[0] for e in examples} == {"Did they like "}
    assert [e.target for e in examples] == ["yes", "no", "no", "yes"]


def test_a_task_without_its_data_is_an_error(here: Path) -> None:
    log = "user,item,time\n" + "".join(f"u{n % 9},i{n % 7},{n}\n" for n in range(60))
    (here / "log.csv").write_text(log)
    bare = RECIPE.replace(
        "{source: synthetic, synthetic: {kind: markov, users: 60, items: 30, events: 10}}",
        "{source: table, path: log.csv}",
    )
    (here / "bare.yaml").write_text(bare)
    outcome = result("run", "bare.yaml")
    assert outcome.exit_code
    assert "rated-well needs ratings in the training events" in str(outcome.exception)
