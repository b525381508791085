"""A recipe that names its primary comparison, and one that names it wrongly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

RECIPE = """
data: {{source: synthetic, synthetic: {{kind: markov, users: 80, items: 30, events: 10}}}}
baselines: [popularity, item-knn]
methods: {{rate: {{kind: item-click-rate, smoothing: 1, tune: {{}}}}}}
evaluate:
  k: 10
  prompts: {{click: all}}
  compare: [[item-knn, popularity]]
  primary: {primary}
"""
LISTS = "{compare: [item-knn, popularity], metric: HR@10, task: sequential}"
CLICKS = "{compare: [rate, rate], metric: AUC, task: click}"


def report_of(p5rec: Any, primary: str) -> dict[str, Any]:
    Path("claim.yaml").write_text(RECIPE.format(primary=primary))
    code, out, err = p5rec("run", "claim.yaml")
    assert code == 0, err
    report: dict[str, Any] = json.loads(Path("runs/claim/report.json").read_text())
    assert f"Primary comparison: {report['primary']['sentence']}"[:60] in out
    return report


def test_the_primary_comparison_of_ranked_lists(p5rec: Any) -> None:
    report = report_of(p5rec, LISTS)
    assert report["primary"]["verdict"] == "yes"
    assert report["primary"]["detectable"] > 0
    on_valid = {m["name"] for m in report["methods"] if m["split"] == "valid"}
    assert {"item-knn", "popularity"} <= on_valid
    assert "rate" not in on_valid
    found = [(c["metric"], c["split"]) for c in report["comparisons"]]
    assert ("HR@10", "test") not in found
    assert ("NDCG@10", "test") in found


def test_all_instances_of_a_task_and_its_primary_comparison(p5rec: Any) -> None:
    report = report_of(p5rec, CLICKS)
    assert report["primary"]["verdict"] == "undecidable here"
    clicks = [m for m in report["methods"] if m["task"] == "click"]
    assert {(m["split"], m["n"]) for m in clicks} == {("test", 160), ("valid", 160)}
    note = next(note for note in report["notes"] if note.startswith("click (test): "))
    assert "160 instances of 80 users" in note


@pytest.mark.parametrize(
    ("primary", "message"),
    [
        (LISTS.replace("item-knn", "knn"), "evaluate.primary: expected a method"),
        (LISTS.replace("sequential", "clicks"), "evaluate.primary.task: expected a task"),
    ],
)
def test_wrong_names_are_refused_early(p5rec: Any, primary: str, message: str) -> None:
    Path("claim.yaml").write_text(RECIPE.format(primary=primary))
    code, _, err = p5rec("run", "claim.yaml")
    assert code == 2
    assert f"claim.yaml:9: {message}" in err


def test_a_verdict_needs_the_test_split(p5rec: Any) -> None:
    Path("claim.yaml").write_text(RECIPE.format(primary=LISTS))
    code, _, err = p5rec("run", "claim.yaml", "evaluate.splits=[valid]")
    assert code == 2
    assert "add test to splits" in err
