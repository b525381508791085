"""``p5rec systems``: the table, one system, and JSON."""

from __future__ import annotations

import json

import pytest
from commands import output_of, result

from p5rec.core.errors import UserError
from p5rec.core.paths import assets
from p5rec.core.recipes import config_path
from p5rec.report.rungs import Rung
from p5rec.report.systems import SYSTEMS, details, table

KEYS = ["rung", "passed", "claim", "metric", "value", "low", "high", "detectable", "command"]


def test_json_has_every_system_with_its_ladder() -> None:
    found = {each["system"]: each for each in json.loads(output_of("systems", "--json"))}
    assert list(found) == [system.name for system in SYSTEMS]
    for each in found.values():
        assert list(each) == ["system", "paper", "stage", "command", "ladder"]
        assert all(list(rung) == KEYS for rung in each["ladder"])
        rungs = [rung["rung"] for rung in each["ladder"]]
        assert rungs == sorted(set(rungs))
    for name in ("p5", "semantic-ids", "rating-study"):
        assert {"G0", "G1", "G2"} <= {rung["rung"] for rung in found[name]["ladder"]}


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_commands_run_a_shipped_config(system) -> None:
    if system.command is not None:
        assert config_path(system.command.split()[2], assets("recipes").parent).is_file()


def test_the_table_has_a_line_for_each_system() -> None:
    head, *lines = output_of("systems").splitlines()
    assert head.split() == ["system", "stage", "G0", "G1", "G2", "G3", "command"]
    assert [line.split()[0] for line in lines] == [system.name for system in SYSTEMS]


def test_one_system() -> None:
    assert output_of("systems", "p5").startswith("p5: Geng et al.")
    assert [each["system"] for each in json.loads(output_of("systems", "p5", "--json"))] == ["p5"]
    error = result("systems", "rating-studies").exception
    assert isinstance(error, UserError)
    assert str(error) == ("expected a system, got 'rating-studies'; did you mean 'rating-study'?")


def test_marks_and_figures() -> None:
    rungs = [
        Rung("G0", True, "saved equals reloaded", "exact facts", 3, None, None, None, "a"),
        Rung("G2", False, "it is better", "RMSE", 0.03, 0.006, 0.056, 0.02, "b"),
    ]
    ladder = [rung.entry() for rung in rungs]
    entry = {"system": "x", "paper": "A", "stage": "s", "command": None, "ladder": ladder}
    assert table([entry]).splitlines()[1].split() == [
        "x",
        "s",
        "yes",
        "-",
        "no",
        "-",
        "not",
        "there",
        "yet",
    ]
    text = details(entry)
    assert "G0, contract: passed\n  saved equals reloaded\n  exact facts 3\n  a" in text
    assert "G2, mechanism on real data: not passed\n  it is better\n" in text
    assert "RMSE +0.0300 [+0.0060, +0.0560], smallest detectable difference 0.0200\n  b" in text
