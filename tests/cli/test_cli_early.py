"""Every command reports unknown names and paths before it imports torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from my_folder import Mine

DRIVER = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from p5rec.cli.main import main

results = []
for words in json.loads(sys.stdin.read()):
    sys.argv = ["p5rec", *words]
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
        code = 0
    except SystemExit as ended:
        code = ended.code
    heavy = sorted({"torch", "transformers", "peft"} & set(sys.modules))
    results.append([code, err.getvalue(), heavy])
print(json.dumps(results))
"""
NEAR = "did you mean 'tiny'?"
NOTHING = "nothing there"


def instances(mine: Mine) -> list[tuple[list[str], str]]:
    """Command lines and their error messages."""
    config, file, folder = str(mine.config), str(mine.folder / "log.csv"), str(mine.folder)
    model = str(mine.folder / "model")
    lists = ["recommend", "--model", model, "--config", config, "--out"]
    deeper = f"{file}/deeper"
    return [
        *(([*words, "tinny"], NEAR) for words in (
            ["run"], ["run", "sft", "--config"], ["compare"], ["plan"],
            ["data", "describe"], ["data", "prepare", "--out", "o"],
            ["ids", "build", "--out", "o"], ["ids", "compare", "--config"],
            ["prompts", "list", "--config"], ["evaluate", "--lists", file, "--config"],
            ["recommend", "--model", model, "--out", "o.csv", "--config"],
            ["ids", "import", file, "--out", "o", "--config"],
        )),
        *(([*words, "no.yaml"], NOTHING) for words in (
            ["run"], ["plan"], ["audit"], ["data", "describe"],
            ["ids", "build", "--out", "o"], ["prompts", "list", "--config"],
        )),
        (["audit", "no.csv"], NOTHING),
        (["run", folder], "a run's folder, which holds config.yaml"),
        (["run", config, "data.path=no.csv"], NOTHING),
        (["run", config, "data.items.path=no.csv"], NOTHING),
        (["run", config, "data.source=tabel"], "did you mean 'table'?"),
        (["run", config, "ids.semantic.scheme=rq-kmean"], "did you mean 'rq-kmeans'"),
        (["run", config, "ids.semantic.vectors.file={path: no.npy}"], NOTHING),
        (["run", config, "ids.semantic.vectors.methods={v: {method: sasrek}}"], "mean 'sasrec'?"),
        (["run", config, "methods.mine.prompts.folders=[none]"], "a folder of prompt files"),
        (["run", config, "methods.mine.start=no/model"], "a method's name or a model's folder"),
        (["run", config, "methods.mine.train.tasks.rateing={}"], "did you mean 'rating'"),
        (["run", config, "baselines=[popularty]", "evaluate.compare=[]"], "'popularity'"),
        (["run", config, "evaluate.compare=[[mine, eas]]"], "a method or baseline, got 'eas'"),
        (["run", config, "--permute", "idz"], "did you mean 'ids'?"),
        (["run", config, "--out", file], "a folder to write to, got a file"),
        (["run", config, "--out", deeper], "expected to write there"),
        (["plan", config, "data.path=no.csv"], NOTHING),
        (["plan", config, "ids.semantic.vectors.methods={v: {method: ease}}"], "item vectors, got"),
        (["plan", config, "--gpu", "H10"], "did you mean 'H100'"),
        (["plan", config, "methods.mine.start=no/model"], "a method's name or a model's folder"),
        (["data", "describe", config, "data.path=no.csv"], NOTHING),
        (["data", "prepare", config, "--out", file], "got a file"),
        (["ids", "build", config, "--out", deeper], "expected to write there"),
        (["ids", "build", config, "data.path=no.csv", "--out", "o"], NOTHING),
        (["ids", "inspect", "nowhere"], NOTHING),
        (["ids", "compare", "nowhere"], NOTHING),
        (["ids", "extend", "nowhere", "--config", config, "--out", "o"], NOTHING),
        (["ids", "export", "nowhere", "--out", "o.json"], NOTHING),
        (["ids", "export", model, "--out", "o.txt"], ".json or .parquet, got '.txt'"),
        (["ids", "import", "no.csv", "--config", config, "--out", "o"], NOTHING),
        (["ids", "import", file, "--config", config, "--out", file], "got a file"),
        ([*lists, "o.xlsx"], "change the file's ending"),
        ([*lists, deeper + ".csv"], "expected to write there"),
        ([*lists, "o.csv", "--users", "no.csv"], NOTHING),
        ([*lists, "o.csv", "--candidates", "no.csv"], NOTHING),
        ([*lists, "o.csv", "data.path=no.csv"], NOTHING),
        ([*lists, "o.csv", "--ids", "nowhere"], NOTHING),
        (["recommend", "--model", "no", "--config", config, "--out", "o.csv"], "no config.json"),
        (["recommend", "--model", model, "--out", "o.csv"], "expected --config, got none"),
        (["evaluate", "--lists", file], "expected --config, got none"),
        (["evaluate", "--lists", "no.csv", "--config", config], NOTHING),
        (["evaluate", "--model", "nowhere", "--config", config], "no config.json"),
        (["evaluate", "--model", model, "--config", config, "--prompts", "x"], "FAMILY=N"),
        (["evaluate", "--lists", file, "--config", config, "--out", file], "got a file"),
        (["audit", file, "--json", folder], "a file to write to, got a folder"),
        (["export", "nowhere", "--out", "o"], "no manifest.json"),
        (["export", model, "--out", file], "got a file"),
        (["report", "nowhere"], NOTHING),
        (["report", "diff", "nowhere", "elsewhere"], NOTHING),
        (["report", "diff", "nowhere", "elsewhere", "--html", folder], "got a folder"),
    ]  # fmt: skip


def test_errors_are_reported_before_torch_is_imported(mine: Mine, tmp_path: Path) -> None:
    (mine.folder / "model").mkdir()
    (mine.folder / "model" / "manifest.json").write_text("{}")
    (mine.folder / "model" / "config.json").write_text('{"kind": "generative"}')
    (mine.folder / "model" / "items.json").write_text('{"ids": [], "titles": []}')
    asked = instances(mine)
    before = set(tmp_path.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], input=json.dumps([words for words, _ in asked]),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    wrong = [
        (words, code, err, heavy)
        for (words, said), (code, err, heavy) in zip(asked, json.loads(done.stdout), strict=True)
        if code != 2 or said not in err or heavy
    ]
    assert wrong == []
    assert set(tmp_path.rglob("*")) - before == set()


def test_every_command_takes_a_shipped_config_by_its_name(p5rec: Any) -> None:
    for words in (
        ["data", "describe", "tiny"], ["audit", "tiny"], ["plan", "tiny"],
        ["ids", "build", "tiny", "--out", "codes"],
        ["prompts", "list", "--config", "tiny"], ["run", "tiny", "--show"],
    ):  # fmt: skip
        code, _, err = p5rec(*words)
        assert (code, err) == (0, ""), words


@pytest.mark.parametrize("named", [True, False])
def test_a_model_finds_the_config_of_its_run(
    p5rec: Any, trained: Any, tmp_path: Path, named: bool
) -> None:
    of_run = ["--config", trained.out] if named else []
    code, _, err = p5rec(
        "recommend", "--model", trained.model, *of_run, "--k", 3, "--out", tmp_path / "l.csv"
    )
    assert code == 0, err
    assert len((tmp_path / "l.csv").read_text().splitlines()) == 1 + 3 * 40
    code, out, err = p5rec("evaluate", "--model", trained.model, *of_run)
    assert code == 0, err
    assert "mine" in out


def test_a_run_is_run_again_by_its_folder(p5rec: Any, trained: Any) -> None:
    for words in (
        ["run", trained.out, "--show"],
        ["run", "sft", "--config", trained.out, "--show"],
    ):
        code, out, err = p5rec(*words)
        assert (code, err) == (0, "")
        record = (trained.out / "config.yaml").read_text().split("\n", 1)
        assert record[0].startswith("# made by p5rec run from ")
        assert out == record[1]
    assert p5rec("data", "describe", trained.out)[0] == 0
    assert p5rec("audit", trained.out / "config.yaml")[0] in (0, 1)
