"""The guide on adding a baseline: its file passes the check and runs against EASE."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import polars as pl
import pytest
from commands import enter, figures, output_of

GUIDES = Path(__file__).parents[2] / "docs/how-to"


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page."""
    return re.findall(rf"```{language}\n(.*?)```", (GUIDES / page).read_text(), re.DOTALL)


@pytest.mark.usefixtures("own_plugins")
def test_the_baseline_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = "add-a-baseline.md"
    enter(tmp_path, "", monkeypatch)
    Path("followers.py").write_text(blocks(page, "python")[0])
    Path("followers.yaml").write_text(blocks(page, "yaml")[0])
    commands = [
        shlex.split(line)[2:]
        for block in blocks(page, "console")
        for line in block.splitlines()
        if line.startswith("$ p5rec")
    ]
    assert len(commands) == 3
    outputs = [output_of(*command) for command in commands]
    assert outputs[0].count("followers: holds: ") == 9
    measured = figures("runs/followers")
    assert measured.keys() == {"ease", "followers", "plain"}
    assert measured["followers"]["about"]["configs_tried"] == 3
    value = {name: found["metrics"]["NDCG@10"]["value"] for name, found in measured.items()}
    assert value["followers"] > value["ease"]
    assert pl.read_csv("lists.csv")["user"].n_unique() == 60
