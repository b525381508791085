"""Methods in the user's own files: who imports them, and what their errors say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commands import enter, output_of, report, result

import p5rec
from p5rec.core.errors import UserError
from p5rec.methods.plugins import load_plugins
from p5rec.methods.registry import METHODS

CODE = """
from typing import Literal
from p5rec.methods.baselines.popularity import Popularity

class Constant(Popularity):
    kind: Literal["constant"] = "constant"
    weight: float = 2.0
"""
RECIPE = """
plugins: [./constant.py]
data: {source: synthetic, synthetic: {kind: markov, users: 30, items: 20, events: 8}}
baselines: [popularity]
methods: {mine: {kind: constant}}
"""
MAIN = "from p5rec.cli.main import main; main()"
pytestmark = pytest.mark.usefixtures("own_plugins")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "constant.py").write_text(CODE)
    return enter(tmp_path, RECIPE, monkeypatch)


def error_of(*words: str) -> str:
    """The message of a command that must fail."""
    error = result(*words).exception
    assert isinstance(error, UserError), error
    return str(error)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new session, without plugins."""
    monkeypatch.setattr("p5rec.methods.plugins._IMPORTED", {})
    monkeypatch.delitem(METHODS._targets, "constant")


def test_a_saved_folder_imports_no_plugin(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output_of("run", "my.yaml")
    model = "runs/my/models/mine"
    assert json.loads(Path(model, "plugins.json").read_text()) == {"constant": "constant.py"}
    assert not Path("runs/my/models/popularity/plugins.json").exists()
    forget(monkeypatch)
    needs = f"{model}: expected the plugin constant.py, which defines 'constant', got none imported"
    with pytest.raises(UserError) as caught:
        p5rec.load(model)
    assert str(caught.value).startswith(needs)
    assert "p5rec.load_plugins('constant.py')" in str(caught.value)
    assert error_of("recommend", "--model", model, "--out", "a.csv").startswith(needs)
    again = error_of("run", "runs/my")
    assert "config.yaml" in again
    assert again.endswith("got ./constant.py; run `p5rec --plugin ./constant.py ...`")
    assert "constant" not in METHODS
    assert "240" in output_of("data", "describe", "runs/my")

    output_of("--plugin", "constant.py", "run", "runs/my")
    output_of("recommend", "--model", model, "--out", "a.csv")
    output_of("--plugin", "constant.py", "evaluate", "--model", model, "--out", "again")
    measured, again = (
        next(m["metrics"] for m in report(name)["methods"] if m["name"] == "mine")
        for name in ("runs/my", "again")
    )
    assert measured == again


def test_the_python_api(here: Path) -> None:
    assert p5rec.load_plugins("constant.py") == ("constant",)
    data = p5rec.Dataset.from_config({"source": "synthetic"}).split("leave-one-out")
    model = p5rec.Constant(weight=3).fit(data, verbose=False)
    model.save("saved")
    loaded = p5rec.load("saved")
    assert loaded.method == model.method
    item = loaded.items["item"][0]
    assert loaded.recommend(histories=[[item]], k=3)["rank"].to_list() == [1, 2, 3]


def test_a_component_names_its_plugin(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    components = "{a: {kind: constant}, b: {kind: item-to-item}}"
    output_of("run", "my.yaml", f"methods={{both: {{kind: fusion, components: {components}}}}}")
    forget(monkeypatch)
    with pytest.raises(UserError, match="models/both: expected the plugin"):
        p5rec.load("runs/my/models/both")


def in_a_process(*words: str) -> str:
    """The output of a Python process."""
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_code_is_in_the_key(here: Path) -> None:
    """The stages that fit it hash what ``fitted_by`` returns."""
    digest = (
        "from p5rec.methods.plugins import load_plugins, METHODS, CODE; load_plugins('{}'); "
        "print(CODE.digest(*METHODS.get('constant')().fitted_by))"
    )
    first = in_a_process("-c", digest.format("constant.py"))
    Path("constant.py").write_text(f"# a comment\n{CODE}")
    (here / "elsewhere").mkdir()
    moved = Path("constant.py").rename("elsewhere/constant.py")
    assert in_a_process("-c", digest.format(moved)) == first
    moved.write_text(CODE.replace("2.0", "3.0"))
    assert in_a_process("-c", digest.format(moved)) != first


@pytest.mark.nightly
def test_workers_import_it(here: Path) -> None:
    for jobs in ("1", "2"):
        words = ("--jobs", jobs, "--out", jobs)
        printed = in_a_process("-c", MAIN, "run", "my.yaml", *words, f"data.seed={jobs}")
        assert "fit constant: made" in printed
        assert ("jobs in parallel" in printed) == (jobs == "2")
    printed = in_a_process("-c", MAIN, "run", "my.yaml", "--out", "again", "data.seed=2")
    assert "fit constant: cached" in printed


BROKEN = {
    "import no_such_package": (
        "broken.py:1: expected a plugin that Python can import, got ModuleNotFoundError: No module "
        "named 'no_such_package'; install it, or add its folder to PYTHONPATH"
    ),
    "\nx = (": "broken.py:2: expected a plugin that Python can import, got SyntaxError: '('",
    "raise SystemExit('bye')": "broken.py:1: expected a plugin that Python can import, got System",
    "1 / 0": "broken.py:1: expected a plugin that Python can import, got ZeroDivisionError: div",
    "x = 1": "broken.py: expected a method (class MyMethod(Method): kind: Literal['my-method']",
    CODE.replace('"constant"', '"ease"'): "broken.py: expected a kind that no other method has",
    CODE.replace("Constant", "Ease"): "broken.py: expected a class name that no other method has",
}


@pytest.mark.parametrize("code", BROKEN, ids=range(len(BROKEN)))
def test_errors_are_one_line(code: str, here: Path) -> None:
    Path("broken.py").write_text(code)
    before = [*METHODS]
    (line,) = error_of("plan", "my.yaml", "plugins=[broken.py]").splitlines()
    assert line.startswith(BROKEN[code])
    assert [*METHODS] == before
    assert "p5rec_plugin_broken" not in sys.modules


def test_every_broken_plugin_is_named(here: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_plugins("gone.py", "no_such_module", "constant.py")
    first, second = caught.value.lines
    assert first == "gone.py: expected a Python file, got No such file or directory; check the path"
    assert second.startswith("no_such_module: expected a plugin that Python can import, got Mod")


def test_a_changed_file_needs_a_new_process(here: Path) -> None:
    load_plugins("constant.py")
    load_plugins("./constant.py", here / "constant.py")
    Path("constant.py").write_text(CODE + "\n")
    with pytest.raises(
        UserError, match=r"expected the plugin .* that is imported, got another version of"
    ):
        load_plugins("constant.py")


def test_a_module_of_a_package(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = here / "some_package"
    package.mkdir()
    (package / "__init__.py").write_text("from .methods import Constant\n")
    (package / "methods.py").write_text(CODE)
    monkeypatch.syspath_prepend(here)
    assert load_plugins("some_package") == load_plugins("some_package.methods") == ("constant",)
    assert METHODS.target("constant") == "some_package.methods:Constant"


def test_the_check_of_a_plugin(here: Path) -> None:
    lines = output_of("methods", "check", "constant.py").splitlines()
    assert lines
    assert all(line.startswith("constant: holds: ") for line in lines)
    Path("faulty.py").write_text(
        CODE.replace('onstant"', 'onstant-2"').replace("Constant", "Faulty")
        + "    embeds_items = True\n"
    )
    broken = result("methods", "check", "faulty.py")
    assert isinstance(broken.exception, UserError)
    wanted = "got: embeds_items is True, unlike the predictor (EmbedsItems); fix the method"
    assert wanted in str(broken.exception)
