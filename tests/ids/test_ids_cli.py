"""``p5rec ids``, from a recipe to a printed table."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from p5rec.cli.ids import app
from p5rec.core.errors import UserError
from p5rec.ids.base import load_codes

RECIPE = """\
data: {source: world, world: {kind: checkerboard, users: 60, items: 40}}
ids: {semantic: {codebook: 6, vectors: {text: null, cooccurrence: {dim: 8}}}}
methods: {somebody: else's}
"""


def run(*words: object) -> Result:
    """The command's result; a fault of the user's is raised as it is for the front door."""
    return CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def test_build_then_inspect(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "codes"
    built = run(
        "build",
        "--config",
        recipe,
        "--out",
        out,
        "ids.semantic.levels=2",
        "ids.semantic.codebook=8",
    )
    assert load_codes(out).sizes == (8, 8)
    shown = run("inspect", out)
    assert shown.stdout.startswith(built.stdout)
    assert "rq-kmeans, 40 items, 2 levels" in shown.stdout
    assert shown.stdout.count("items: ") == 8
    assert "0 do now" in shown.stdout


def test_random_codes_without_vectors_have_no_collisions_to_tell(
    recipe: Path, tmp_path: Path
) -> None:
    bare = ("ids.semantic.scheme=random", "ids.semantic.vectors.cooccurrence=null")
    built = run("build", "--config", recipe, "--out", tmp_path / "codes", *bare)
    assert "random, 40 items" in built.stdout
    assert "collisions" not in built.stdout


def test_of_several_ids_one_must_be_named(recipe: Path, tmp_path: Path) -> None:
    two = ("build", "--config", recipe, "--out", tmp_path / "codes", "ids.other.scheme=random",
           "ids.other.vectors.text=null", "ids.other.codebook=8")  # fmt: skip
    with pytest.raises(UserError, match=r"--name: expected one .*, got none; .* semantic, other"):
        run(*two)
    assert "random, 40 items" in run(*two, "--name", "other").stdout


def test_a_fault_leaves_nothing_behind(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "codes"
    with pytest.raises(UserError, match="at most 6 items for levels of 6 codes, got 40"):
        run("build", "--config", recipe, "--out", out, "ids.semantic.levels=1")
    assert not out.exists()


def test_damaged_figures_are_one_line(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "codes"
    run("build", "--config", recipe, "--out", out)
    (out / "quality.json").write_text('{"levels": [{}]}')
    with pytest.raises(UserError, match=r"quality\.json: expected the figures of the codes"):
        run("inspect", out)
