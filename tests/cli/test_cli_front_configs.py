"""Configs with a base, and the config that a run's folder belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from my_folder import Mine


def show_config(p5rec: Any, folder: Path, text: str, *words: str) -> tuple[int, Any, str]:
    """The output of ``--show`` for a config, and the error message."""
    (folder / "top.yaml").write_text(text)
    code, out, err = p5rec("run", folder / "top.yaml", *words, "--show")
    return code, yaml.safe_load(out), err


def test_a_dropped_method_drops_its_comparisons(p5rec: Any, tmp_path: Path) -> None:
    dropped = "methods: {llm: null, llm-network: null}"
    text = f"base: quickstart\n{dropped}\nbaselines: [ease, popularity]\n"
    code, found, err = show_config(p5rec, tmp_path, text)
    assert (code, err) == (0, "")
    assert set(found["methods"]) == {"hybrid", "hybrid-network", "hybrid-codes"}
    assert found["evaluate"]["compare"] == [["hybrid", "ease"], ["hybrid", "hybrid-network"]]
    code, found, err = show_config(p5rec, tmp_path, "base: quickstart\n", "baselines=[ease]")
    assert ["hybrid", "sasrec"] not in found["evaluate"]["compare"]


def test_a_note_says_that_the_primary_comparison_went(p5rec: Any, tmp_path: Path) -> None:
    text = "base: u-bert\nmethods: {u-bert-permuted: null}\ndata: {path: mine.jsonl}\n"
    (tmp_path / "mine.jsonl").write_text("{}")
    code, found, err = show_config(p5rec, tmp_path, text)
    assert (code, err) == (0, "")
    assert found["evaluate"]["primary"] is None
    assert "No primary comparison" in found["notes"][-1]


def test_prompts_go_with_the_last_method_of_their_task(p5rec: Any, tmp_path: Path) -> None:
    text = "base: my-data\nmethods: {small: null}\ndata: {items: {columns: {attributes: ~}}}\n"
    code, found, err = show_config(p5rec, tmp_path, text)
    assert (code, err) == (0, "")
    assert found["evaluate"]["prompts"] == {}
    assert found["data"]["items"]["columns"]["attributes"] == {}
    assert found["evaluate"]["compare"] == [["hybrid", "sasrec"], ["hybrid", "ease-recency"]]


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        (
            "base: tiny\nbaselines: [ease]\nevaluate:\n  compare:\n    - [tiny, popularity]\n",
            (), "top.yaml:5: evaluate.compare: expected a method or baseline, got 'popularity'",
        ),
        (
            "base: tiny\nevaluate: {compare: [[tiny, sasrec]]}\n",
            (), "top.yaml:2: evaluate.compare: expected a method or baseline, got 'sasrec'",
        ),
        (
            "base: tiny\nbaselines: [ease]\n", ("evaluate.compare=[[tiny, popularity]]",),
            "override 'evaluate.compare=[[tiny, popularity]]': evaluate.compare: expected a method",
        ),
        (
            "base: tiny\nevaluate: {prompts: {explanation: 5}}\n",
            (), "top.yaml:2: evaluate.prompts: expected a task of a method",
        ),
    ],
)  # fmt: skip
def test_an_unknown_name_in_an_override_is_refused(
    p5rec: Any, tmp_path: Path, text: str, words: tuple[str, ...], message: str
) -> None:
    (tmp_path / "top.yaml").write_text(text)
    code, out, err = p5rec("run", tmp_path / "top.yaml", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


QUICK = ("methods.mine.train.steps=1", "evaluate.prompts={}", "evaluate.samples=0")


def test_a_run_is_not_replaced_by_another_config(p5rec: Any, mine: Mine, tmp_path: Path) -> None:
    assert p5rec("run", mine.config, *QUICK)[0] == 0
    record = Path("runs/my/config.yaml")
    assert record.read_text().startswith("# made by p5rec run from ../../../mine/my.yaml\n")
    other = tmp_path / "other" / "my.yaml"
    other.parent.mkdir()
    other.write_text(mine.config.read_text() + "seed: 1\n")
    before = record.read_bytes()
    code, out, err = p5rec("run", other, *QUICK)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "runs/my: expected a run of " in err
    assert "a run of another config (../../../mine/my.yaml); name another folder (--out), or" in err
    assert record.read_bytes() == before
    # the same file with another override, its own record, and another file of equal content
    assert p5rec("run", mine.config, *QUICK, "seed=2")[0] == 0
    assert p5rec("run", "runs/my")[0] == 0
    assert record.read_text().startswith("# made by p5rec run from ../../../mine/my.yaml\n")
    (tmp_path / "other" / "copy.yaml").write_text(record.read_text())
    assert p5rec("run", tmp_path / "other" / "copy.yaml")[0] == 0
    assert record.read_text().startswith("# made by p5rec run from ../../../mine/my.yaml\n")
    assert p5rec("run", other, *QUICK, "--force")[0] == 0
    assert yaml.safe_load(record.read_text())["seed"] == 1
