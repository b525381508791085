"""``p5rec plan`` from the outside; whether it is right is tested in tests/train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from my_folder import Mine, files


def test_a_recipe_is_planned_without_training(p5rec: Any, mine: Mine, home: Path) -> None:
    words = ("plan", mine.config, "methods.mine.train.steps=7", "--gpu", "T4", "--gpu", "H100")
    code, out, err = p5rec(*words)
    assert (code, err) == (0, "")
    assert out.startswith("mine\n  weights ")
    assert "7 steps, " in out
    assert "at most" not in out
    assert "on this machine" in out
    assert "on T4" in out
    assert "50% in float32 or 25% in bfloat16" in out
    assert {path.relative_to(home).parts[1] for path in files(home / "store")} == {"data"}
    code, out, err = p5rec(*words, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)["mine"]
    assert told["steps"] == 7
    assert list(told["seconds"]) == ["this machine", "T4", "H100"]
    assert told["seconds"]["H100"] <= told["seconds"]["T4"]
    assert told["fits"] == {"T4": True, "H100": True}
    assert told["peak"] == sum(told["memory"].values())


def test_methods_that_share_a_training_are_planned_once(p5rec: Any, mine: Mine) -> None:
    twice = (
        "methods.again={like: mine, decode: {beams: 30}}",
        "methods.mine.item_head={}",  # validation checks rank by it, whatever the search
        "methods.mine.train.patience=2",
        "methods.mine.train.evaluate_every=1",
    )
    code, out, err = p5rec("plan", mine.config, *twice)
    assert (code, err) == (0, "")
    assert out.startswith("mine, again (the same training)\n")
    assert out.count("  weights ") == 1
    assert "steps at most, " in out
    told = json.loads(p5rec("plan", mine.config, *twice, "--json")[1])
    assert told["again"]["steps"] == told["mine"]["steps"]


def test_a_grid_is_no_training_of_one_point(p5rec: Any, mine: Mine) -> None:
    more = (
        "methods.part={kind: personal-frequency}",
        "methods.tuned={kind: item-to-item, tune: {l2: [10, 100], half_life: [1, 2]}}",
        "methods.both={kind: fusion, components: {own: part, new: {kind: item-to-item}}}",
        "methods.mine.tune={train.learning_rate: [0.001, 0.01]}",
    )
    code, out, err = p5rec("plan", mine.config, *more)
    assert (code, err) == (0, "")
    assert out.startswith("mine\n")
    assert "\n  trials      2 trainings" in out
    assert "\npart: 1 model to fit\n" in out
    assert "\ntuned: 2 models to fit, one for each candidate setting\n" in out
    assert (
        "\nboth\n  own: shared with part\n  new: 3 models to fit, one for each candidate setting\n"
        in out
    )


def test_an_unknown_gpu_is_refused_in_one_line(p5rec: Any, mine: Mine) -> None:
    code, out, err = p5rec("plan", mine.config, "--gpu", "H10")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "--gpu: expected a known GPU, got 'H10'" in err
    assert "H100" in err


def test_a_busy_machine_is_reported(
    p5rec: Any, mine: Mine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (1e6, 0.0, 0.0))
    code, out, err = p5rec("plan", mine.config, "--json")
    assert code == 0
    assert "mine" in json.loads(out)
    assert err.startswith("note: this machine is busy (load average 1000000.0)")
    untimed = ("methods.mine=null", "methods.part={kind: personal-frequency}")
    assert p5rec("plan", mine.config, *untimed)[2] == ""
