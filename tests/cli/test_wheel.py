"""The built wheel in an empty environment away from the checkout: what it holds, and how it runs.

The environment sees the libraries of this one through a path file, so nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from p5rec.report.systems import entries

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", out]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = out.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of a new environment with the wheel alone."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel]
    subprocess.run(pip, check=True)
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.check_output([python, "-c", ask], text=True).strip()
    # a path named in a path file is not searched for path files, so an editable install stays out
    (Path(own) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


@pytest.fixture
def run(installed: Path, tmp_path: Path):
    """Runs a program of the environment in an empty folder."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment |= {"P5REC_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}

    def command(program: str, *words: str) -> str:
        done = subprocess.run(
            [installed / program, *words], cwd=tmp_path, env=environment,
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return command


def test_it_carries_every_prompt_and_recipe_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for kind in ("prompts", "recipes"):
        inside = {n.removeprefix("p5rec/_assets/") for n in names if f"_assets/{kind}/" in n}
        assert inside == _files(kind)
    assert "p5rec/_assets/rungs.json" in names
    others = {n for n in names if not n.startswith("p5rec/_assets/") and ".dist-info/" not in n}
    assert others == _files("p5rec")
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def _files(folder: str) -> set[str]:
    """The files in a folder of the checkout."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_it_runs_away_from_the_checkout(run, installed: Path, tmp_path: Path) -> None:
    where = run(
        "python", "-c",
        "from p5rec.core.paths import *; print(PACKAGE, assets('prompts'), assets('recipes'))",
    ).split()  # fmt: skip
    environment = installed.parent.resolve()
    assert all(Path(path).resolve().is_relative_to(environment) for path in where)
    assert where[1:] == [f"{where[0]}/_assets/prompts", f"{where[0]}/_assets/recipes"]
    assert "rating.completion" in run("p5rec", "prompts", "list")
    assert run("p5rec", "prompts", "lint").strip().endswith("_assets/prompts")
    assert json.loads(run("p5rec", "systems", "--json")) == entries()
    assert "tiny" in run("p5rec", "run")
    said = run("p5rec", "run", "tiny")
    assert "tiny beats popularity" in said
    assert (tmp_path / "runs" / "tiny" / "report.md").is_file()
    shown = run("p5rec", "run", "sft", "--config", "runs/tiny/config.yaml")
    assert shown.count(": cached ") == said.count(": made ")
