"""Errors of a config at the start of a run: all at once, each with the line of its key."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from my_folder import Mine

from p5rec.core.config import load as load_config
from p5rec.core.paths import assets
from p5rec.core.recipes import BARE, load, shipped
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.methods.checks import check_data
from p5rec.methods.registry import methods_of


@pytest.fixture
def own(mine: Mine) -> Path:
    """A locked folder with one family, which the method is trained on."""
    folder = mine.folder / "own"
    folder.mkdir()
    text = (assets("prompts") / "direct.yaml").read_text()
    (folder / "own.yaml").write_text(text.replace("family: direct", "family: own"))
    mine.replace("my.yaml", "    train:\n", f"    prompts: {{folders: [{folder}]}}\n    train:\n")
    mine.replace("my.yaml", "explanation: {}}", "own: {}}")
    mine.replace("my.yaml", ", explanation: 4}", "}")
    return folder


def lines(result: tuple[int, str, str]) -> list[str]:
    """The lines of a refused command."""
    code, _, err = result
    assert code == 2
    return [line.removeprefix("p5rec: ") for line in err.splitlines()]


def test_a_run_checks_the_lock_of_a_prompt_folder(p5rec: Any, mine: Mine, own: Path) -> None:
    run = ("run", mine.config, "--out", "out", "methods.other={like: mine}")
    assert p5rec("prompts", "lock", own)[0] == 0
    mine.replace("own/own.yaml", "id: gift", "id: present")
    (line,) = lines(p5rec(*run))
    assert f"expected own.present.v1 in {own / 'lock.json'}, got nothing; run `p5rec prom" in line
    assert not Path("out").exists()
    (own / "lock.json").unlink()
    assert p5rec(*run)[0] == 0  # a folder without a lock file is not checked


def test_an_unknown_family_names_its_line_and_the_folders(
    p5rec: Any, mine: Mine, own: Path
) -> None:
    mine.replace("my.yaml", "own: {}}", "\n        owm: {}}")
    text = mine.config.read_text().splitlines()
    at = next(n for n, line in enumerate(text, 1) if "owm" in line)
    for command in ("run", "plan"):
        (line,) = lines(p5rec(command, mine.config))
        assert line == (
            f"{mine.config}:{at}: methods.mine.train.tasks.owm: expected a known prompt family in "
            f"{assets('prompts')}, {own}, got 'owm'; did you mean 'own'? (add the folder of a "
            "family of your own to prompts.folders)"
        )


def test_keys_types_and_names_are_reported_at_once_then_references(p5rec: Any, mine: Mine) -> None:
    one = p5rec(
        "run", mine.config, "data.source=tabel", "data.splt=time", "baselines=[eas]", "sed=1",
        "ids.semantic.scheme=rq-kmean", "methods.mine.train.steps=x", "methods.a.kind=sasrek",
    )  # fmt: skip
    assert sorted(line.split("'")[1].partition("=")[0] for line in lines(one)) == [
        "baselines", "data.source", "data.splt", "ids.semantic.scheme", "methods.a.kind",
        "methods.mine.train.steps", "sed",
    ]  # fmt: skip
    two = p5rec(
        "run", mine.config, "data.path=no.csv", "methods.mine.ids=semantik",
        "evaluate.prompts.rateing=5", "evaluate.compare=[[mine, eas]]",
        "methods.mine.train.tasks.rateing={}", "methods.mine.start=nowhere",
        "ids.semantic.vectors.methods={v: {method: sasrek}}",
    )  # fmt: skip
    wanted = (
        "no.csv: ", "methods.mine.ids: ", "evaluate.compare: ", "methods.mine.train.tasks.rateing",
        "methods.mine.start: ", "ids.semantic.vectors.methods.v.method: ",
    )  # fmt: skip
    found = lines(two)
    assert len(found) == len(wanted)
    assert all(any(key in line for line in found) for key in wanted)


def test_a_base_that_needs_ratings_says_so_in_a_line_a_task(p5rec: Any, mine: Mine) -> None:
    log = (mine.folder / "log.csv").read_text().splitlines()
    bare = "\n".join(line.rpartition(",")[0] for line in log)
    (mine.folder / "log.csv").write_text(bare)
    derived = mine.folder / "derived.yaml"
    derived.write_text("seed: 1\nbase: my.yaml\nmethods: {other: {like: mine}}\n")
    (line,) = lines(p5rec("run", derived))
    at = 1 + mine.config.read_text().splitlines().index("  mine:")
    assert line == (
        f"{derived}:2: base ({mine.config}:{at}): methods.mine (and other): rating needs ratings "
        "in the training events (data.columns.rating), and the data have none; take it out of "
        "train.tasks, or start from `base: hybrid`"
    )


def test_the_suggested_base_needs_users_items_and_times_alone(mine: Mine) -> None:
    shutil.copy(shipped()["sft"][BARE], mine.config)
    config: Any = load_config(mine.config, load(assets("recipes") / "sft.py").SCHEMA)
    log = (mine.folder / "log.csv").read_text().splitlines()
    (mine.folder / "bare.csv").write_text("\n".join(line.rpartition(",")[0] for line in log))
    corpus: Corpus = build(DataConfig(source="table", path=str(mine.folder / "bare.csv")))[0]
    check_data(methods_of(config), config.evaluate.prompts, corpus)


def test_a_generative_method_does_not_converse(p5rec: Any, mine: Mine) -> None:
    tasks = ("methods.mine.train.tasks={dialogue: {}}", "evaluate.prompts={dialogue: 5}")
    (line,) = lines(p5rec("run", mine.config, *tasks))
    assert "got 'dialogue', which methods of kind recllm answer" in line
