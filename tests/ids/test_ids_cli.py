"""``p5rec ids``, from a recipe to printed tables, plots, and codes for new items."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from p5rec.cli.ids import app
from p5rec.core.errors import UserError
from p5rec.ids.files import load_codes, load_item_ids

RECIPE = """\
data: {source: synthetic, synthetic: {kind: checkerboard, users: 60, items: 40}}
ids: {semantic: {codebook: 6, vectors: {text: null, cooccurrence: {dim: 8}}}}
methods: {somebody: else's}
"""
FOLDER = {
    "codes.json", "codes.safetensors", "items.json", "encoder.json", "encoder.safetensors",
    "ids.json", "codebook_metrics.json", "usage.png", "tree.png", "tree.html",
}  # fmt: skip


def run(*words: object) -> Result:
    """The result of the command; user errors are raised."""
    return CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P5REC_HOME", str(tmp_path / "home"))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def test_build_then_inspect(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "codes"
    smaller = ("ids.semantic.levels=2", "ids.semantic.codebook=8")
    built = run("build", recipe, "--out", out, *smaller)
    assert load_codes(out).sizes == (8, 8)
    assert {path.name for path in out.iterdir()} == FOLDER
    inspected = run("inspect", out)
    assert inspected.stdout.startswith(built.stdout)
    assert "rq-kmeans, 40 items, 2 levels" in inspected.stdout
    assert "bits per item: capacity 6.0, needed 5.3" in inspected.stdout
    assert "information of the last item's codes about the next item: " in inspected.stdout
    assert inspected.stdout.count("items: ") == 8
    assert "0 still do" in inspected.stdout


def test_codes_of_a_method_s_item_vectors(recipe: Path, tmp_path: Path) -> None:
    views = "ids.semantic.vectors.methods={{deep: {{method: {}}}}}".format
    deep = "methods.deep={kind: bpr, factors: 4, epochs: 2, tune: {}}"
    words = ("build", recipe, "--out", tmp_path / "codes")
    run(*words, views("deep"), deep)
    weights = json.loads((tmp_path / "codes" / "encoder.json").read_text())["config"]["vectors"]
    assert weights["methods"] == {"deep": {"method": "deep", "weight": 1.0}}
    (fitted,) = (tmp_path / "home" / "store" / "fit").glob("*/manifest.json")
    assert json.loads(fitted.read_text())["config"]["factors"] == 4
    with pytest.raises(UserError, match="a method of the recipe or a baseline, got 'deap'; did"):
        run(*words, views("deap"), deep)
    with pytest.raises(UserError, match="a method with item vectors, got 'ease'; take one of bpr"):
        run(*words, views("ease"))


def test_random_codes_report_no_collisions(recipe: Path, tmp_path: Path) -> None:
    bare = ("ids.semantic.scheme=random", "ids.semantic.vectors.cooccurrence=null")
    built = run("build", recipe, "--out", tmp_path / "codes", *bare)
    assert "random, 40 items" in built.stdout
    assert "collisions" not in built.stdout


def test_one_of_several_ids_must_be_named(recipe: Path, tmp_path: Path) -> None:
    two = ("build", recipe, "--out", tmp_path / "codes", "ids.other.scheme=random",
           "ids.other.vectors.text=null", "ids.other.codebook=8")  # fmt: skip
    with pytest.raises(UserError, match=r"--name: expected one .*, got none; .* semantic, other"):
        run(*two)
    assert "random, 40 items" in run(*two, "--name", "other").stdout


def test_an_error_leaves_no_files(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "codes"
    with pytest.raises(UserError, match="at most 6 items for levels of 6 codes, got 40"):
        run("build", recipe, "--out", out, "ids.semantic.levels=1")
    assert not out.exists()


def test_damaged_metrics_are_an_error_of_one_line(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "codes"
    run("build", recipe, "--out", out)
    (out / "codebook_metrics.json").write_text('{"levels": [{}]}')
    with pytest.raises(
        UserError, match=r"codebook_metrics\.json: expected the metrics of the codes"
    ):
        run("inspect", out)


def test_compare_takes_a_recipe_and_folders(recipe: Path, tmp_path: Path) -> None:
    run("build", recipe, "--out", tmp_path / "one")
    lines = run("compare", tmp_path / "one", "--config", recipe).stdout.splitlines()
    assert lines[0].split()[:2] == ["ids", "scheme"]
    # the folder and the recipe's ids have the same codes, and so the same metrics
    first, second = (line.split()[1:] for line in lines[1:3])
    assert first == second
    assert first[:2] == ["rq-kmeans", "6x6x6"]
    with pytest.raises(UserError, match="expected folders of codes or --config, got neither"):
        run("compare")


def test_new_items_get_codes_and_old_codes_stay(tmp_path: Path) -> None:
    log = "user,item,time\n" + "".join(
        f"u{u},i{(3 * u + 7 * t) % 12},{t}\n" for u in range(20) for t in range(6)
    )
    (tmp_path / "log.csv").write_text(log)
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"data: {{source: table, catalog: table, path: {tmp_path / 'log.csv'}, "
        "columns: {user: user, item: item, time: time}, "
        f"items: {{path: {tmp_path / 'items.csv'}, columns: {{item: item, title: title}}}}}}\n"
        "ids: {semantic: {levels: 2, codebook: 6, accept: [utilisation], "
        "vectors: {text: null, cooccurrence: {dim: 4}}}}\n"
    )

    def items(n: int) -> None:
        lines = [f"i{row},Title {row}" for row in range(n)]
        (tmp_path / "items.csv").write_text("item,title\n" + "\n".join(lines) + "\n")

    items(12)
    run("build", path, "--out", tmp_path / "old")
    with pytest.raises(UserError, match="expected a table with new items, got none"):
        run("extend", tmp_path / "old", "--config", path, "--out", tmp_path / "new")
    items(15)
    output = run("extend", tmp_path / "old", "--config", path, "--out", tmp_path / "new").stdout
    assert "3 new items, 12 items with unchanged codes" in output
    assert {p.name for p in (tmp_path / "new").iterdir()} == FOLDER  # and can be extended again
    tables = [
        dict(zip(load_item_ids(folder), load_codes(folder).codes.tolist(), strict=True))
        for folder in (tmp_path / "old", tmp_path / "new")
    ]
    assert all(tables[1][item] == codes for item, codes in tables[0].items())
    assert len(tables[1]) == 15


def test_exported_codes_are_imported_equal(recipe: Path, tmp_path: Path) -> None:
    run("build", recipe, "--out", tmp_path / "codes")
    file = tmp_path / "codes.index.json"
    assert "40 items" in run("export", tmp_path / "codes", "--out", file).stdout
    assert all(words[0].startswith("<a_") for words in json.loads(file.read_text()).values())
    back = run("import", file, "--config", recipe, "--out", tmp_path / "back")
    assert "has level words; 0 of its items are not in the data" in back.stdout
    old, new = load_codes(tmp_path / "codes"), load_codes(tmp_path / "back")
    assert new.scheme == "imported"
    np.testing.assert_array_equal(old.codes, new.codes)  # all codes were in use
    with pytest.raises(UserError, match="expected codes that can be extended"):
        run("extend", tmp_path / "back", "--config", recipe, "--out", tmp_path / "more",
            "data.synthetic.items=44")  # fmt: skip
