"""Help texts, lists of recipes, suggestions for misspelt names, exit codes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from p5rec.cli.main import COMMANDS, LazyGroup
from p5rec.cli.main import app as front
from p5rec.core.config import load as load_config
from p5rec.core.paths import assets
from p5rec.core.recipes import load, shipped

HEAVY = ("torch", "numpy", "polars", "transformers", "datasets", "pydantic", "pyarrow")


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom p5rec.cli.main import main\nsys.argv = ['p5rec', '--help']\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code\n"
        f"print('HEAVY', sorted(set({HEAVY}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("HEAVY []\n")
    for name, (_, line) in COMMANDS.items():
        assert name in done.stdout
        assert line.split()[0] in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_text_without_torch(p5rec: Any, name: str) -> None:
    loaded = "torch" in sys.modules
    code, out, err = p5rec(name, "--help")
    assert (code, err) == (0, "")
    assert "Usage: " in out
    assert loaded or "torch" not in sys.modules


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_text(name: str) -> None:
    group: Any = typer.main.get_command(front)
    assert isinstance(group, LazyGroup)
    command: Any = group.get_command(None, name)
    for each in getattr(command, "commands", {name: command}).values():
        assert each.help, f"{name} {each.name} has no help text"
        for parameter in each.params:
            assert getattr(parameter, "help", None), f"{name} {each.name}: {parameter.name}"


def test_without_arguments_the_help_is_printed(p5rec: Any) -> None:
    assert p5rec()[1].startswith("Usage: ")
    assert p5rec("--version")[1].startswith("p5rec 0.")


def test_run_lists_recipes_and_configs(p5rec: Any) -> None:
    code, out, _ = p5rec("run")
    assert code == 0
    configs_of = {
        line.partition(": ")[0]: line.partition(": ")[2].split(", ") for line in out.split("\n")
    }
    configs = {path.stem for path in (assets("recipes") / "configs").rglob("*.yaml")}
    assert {name for names in configs_of.values() for name in names} - {""} == configs
    assert configs_of["sft"] == sorted(configs_of["sft"])
    assert {"tiny", "kar"} <= {*configs_of["sft"]}


@pytest.mark.parametrize(
    ("words", "configs_of"),
    [
        (["tinny"], "or a run's folder), got 'tinny'; did you mean 'tiny'?"),
        (["stf"], "got 'stf'; did you mean 'sft'?"),
        (["sft"], "recipe 'sft': expected --config, got none; name a YAML file or one of "),
        (["sft", "--config", "tinny"], "got 'tinny'; did you mean 'tiny'?"),
        (["sft", "--config", "no.yaml"], "no.yaml: expected a YAML file, got nothing there"),
        (["tiny", "--config", "my.yaml"], "write p5rec run sft --config my.yaml"),
        (["tiny", "seed"], "expected key.sub=value, got 'seed'"),
        (["tiny", "sead=1"], "override 'sead=1': expected a known key, got 'sead'; did you mean"),
        (["tiny", "methods.tiny.train.steps=-1"], "methods.tiny.train.steps: input should be"),
        (["tiny", "baselines=[eas]", "evaluate.compare=[]"], "got 'eas'; did you mean 'ease'?"),
        (["tiny", "methods.tiny.ids=semantik"], "one of ids, got 'semantik'; did you mean 'sema"),
        (["tiny", "evaluate.prompts.rateing=5"], "got 'rateing'; did you mean 'rating'?"),
        (["tiny", "evaluate.compare=[[tiny, eas]]"], "got 'eas'; did you mean 'ease'?"),
    ],
)
def test_invalid_arguments_are_one_line(
    p5rec: Any, tmp_path: Path, words: list[str], configs_of: str
) -> None:
    code, out, err = p5rec("run", *words, "--out", tmp_path / "out")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert configs_of in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["audit", "--config", "x"],
            r"no such option: --config; write `.*p5rec audit \[OPTIONS\] TARGET \[KEY=VALUE\]...`",
        ),
        (["plan"], r"missing argument 'CONFIG'; write `.*p5rec plan \[OPTIONS\] CONFIG "),
        (
            ["prompts", "lst"],
            r"no such command 'lst'. Did you mean 'list'\? write `.*p5rec prompts",
        ),
        (["run", "--jobs", "x"], "invalid value for '--jobs'"),
        (["data", "describe"], "expected CONFIG or --source NAME, got neither"),
        (["data", "describe", "tiny", "--source", "table"], "or --source NAME, got both"),
        (["data", "describe", "--source", "table", "data.split=time"], "beside CONFIG only, got"),
        (["compare", "data.path=no.csv"], "no.csv: expected a file or folder, got nothing there"),
        (["compare", "tinny"], r"got 'tinny'; did you mean 'tiny'\?"),
    ],
)
def test_wrong_words_are_one_line(p5rec: Any, words: list[str], said: str) -> None:
    code, out, err = p5rec(*words)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith("p5rec: ")
    assert re.search(said, err)


def test_a_group_without_a_command_prints_its_help(p5rec: Any) -> None:
    code, out, err = p5rec("prompts")
    assert (code, out) == (2, "")
    assert re.match(r"Usage: .*p5rec prompts \[OPTIONS\] COMMAND", err)


def test_a_package_without_its_recipes_says_so(
    p5rec: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p5rec.core.recipes.assets", lambda kind: tmp_path / kind)
    for words in ([], ["tiny"], ["my.yaml"]):
        code, out, err = p5rec("run", *words)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert f"{tmp_path / 'recipes'}: expected the shipped recipes, got none; install" in err


def test_show_prints_a_config_that_reloads_equal(p5rec: Any, tmp_path: Path) -> None:
    code, out, _ = p5rec("run", "tiny", "--show", "methods.tiny.train.steps=7")
    assert code == 0
    schema = load(assets("recipes") / "sft.py").SCHEMA
    (tmp_path / "shown.yaml").write_text(out)
    shown = load_config(tmp_path / "shown.yaml", schema)
    assert shown.methods["tiny"].train.steps == 7
    original = load_config(shipped()["sft"]["tiny"], schema, ["name=tiny"])
    assert shown == load_config(
        shipped()["sft"]["tiny"], schema, ["name=tiny", "methods.tiny.train.steps=7"]
    )
    assert shown != original
    again = p5rec("run", "sft", "--config", tmp_path / "shown.yaml", "--show")[1]
    assert yaml.safe_load(again) == yaml.safe_load(out)


def test_an_interrupt_is_one_line_and_130(p5rec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("p5rec.cli.run.shipped", interrupted)
    code, out, err = p5rec("run")
    assert (code, out) == (130, "")
    assert err == "p5rec: interrupted; run the same command again to resume\n"


def test_program_errors_keep_their_traceback(p5rec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise KeyError("ours")

    monkeypatch.setattr("p5rec.cli.run.shipped", broken)
    with pytest.raises(KeyError, match="ours"):
        p5rec("run")
