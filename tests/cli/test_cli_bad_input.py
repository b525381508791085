"""Bad input: one clear line, exit code 2, and no new file."""

from __future__ import annotations

import gc
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from my_folder import EACH, USERS, Mine, Trained, files

GENRES = '{attributes: {genres: {column: genres, separator: "|"}}}'
LOG, ITEMS, RECIPE = "log.csv", "items.csv", "my.yaml"

# what is broken → (file, what stands there, what is put in its place), what is message
INPUTS = {
    "missing log": ((RECIPE, "/log.csv", "/lug.csv"), r"lug.csv: .* nothing there; did you mean"),
    "missing item table": ((RECIPE, "/items.csv", "/item.csv"), r"item.csv: .* got nothing there"),
    "missing column": (
        (LOG, "user,item,time", "user,item,tiem"),
        r"log.csv: expected a column 'time' for the time, got none; did you mean 'tiem'\?",
    ),
    "missing title": (
        (ITEMS, "item,title", "item,name"), r"items.csv: expected a column 'title' .* none"
    ),
    "unparsable time": (
        (LOG, "u0,i20,1000240,1", "u0,i20,yesterday,1"),
        r"log.csv, row 6: expected epoch or ISO 8601 time in column 'time', got 'yesterday'",
    ),
    "unparsable rating": (
        (LOG, "u0,i20,1000240,1", "u0,i20,1000240,good"),
        r"log.csv, row 6: expected a number in column 'rating', got 'good'",
    ),
    "duplicate item ids": (
        (ITEMS, "\ni3,", "\ni2,"), r"items.csv: expected each item once, got 'i2' in rows 4, 5"
    ),
    "item without a row": (
        (ITEMS, "i19,Title 19,Noir|Drama\n", ""),
        r"log.csv, row \d+: expected every item of the log in the item table, got item 'i19'",
    ),
    "unknown key": (
        (RECIPE, "steps: 4", "stepps: 4"),
        r"my.yaml:15: expected a known key, got 'methods.mine.train.stepps'; did you mean 'ste",
    ),
    "wrong value": ((RECIPE, "batch: 4", "batch: few"), r"my.yaml:16: methods.mine.train.batch: "),
    "unknown task": (
        (RECIPE, "rating: 10", "ratings: 10"), r"prompts: .* got 'ratings'; did you mean 'rating'"
    ),
    "task without data": (
        (RECIPE, GENRES, "{}"),
        r"methods.mine: .* review texts .* or attributes .* none; take it out"
    ),
    "broken YAML": ((RECIPE, "steps: 4", "steps: [4"), r"my.yaml:\d+: expected valid YAML, got"),
    "key twice": ((RECIPE, "batch: 4", "steps: 4"), r"my.yaml:16: expected each key once"),
    "no such base": ((RECIPE, "data:", "base: nope.yaml\ndata:"), r"nope.yaml: .* nothing there"),
    "too few codes": ((RECIPE, "codebook: 6", "codebook: 2"), r"at most 4 items .* got 24"),
}  # fmt: skip


def refused(answer: tuple[int, str, str], message: str) -> None:
    code, _, err = answer
    assert code == 2
    assert len(err.splitlines()) == 1, err
    assert err.startswith("p5rec: ")
    assert re.search(message, err), err


@pytest.mark.parametrize("name", INPUTS)
def test_a_broken_input_of_a_run(p5rec: Any, mine: Mine, home: Path, name: str) -> None:
    change, message = INPUTS[name]
    mine.replace(*change)
    before = files(mine.folder)
    refused(p5rec("run", "sft", "--config", mine.config, "--out", mine.folder / "out"), message)
    made = files(home)
    assert files(mine.folder) == before
    assert not (mine.folder / "out").exists()
    assert not [path for path in made if ".work" in path.as_posix()]
    assert not list(home.glob("store/fit/*"))


def test_an_empty_log(p5rec: Any, mine: Mine, home: Path) -> None:
    (mine.folder / LOG).write_text("user,item,time,rating\n")
    for words in (["run", "--out", mine.folder / "out"], ["data", "describe"]):
        refused(p5rec(*words, mine.config), r"at least one event, got an empty log")
    gc.collect()  # closes the store, which records what the process reads
    assert files(home) == set()


def test_a_user_with_one_event_is_in_training_only(p5rec: Any, mine: Mine) -> None:
    with open(mine.folder / LOG, "a") as log:
        log.write("newcomer,i0,1000000,3\n")
    code, out, err = p5rec("data", "describe", mine.config, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["users"] == USERS + 1
    assert found["split"]["train"] == USERS * (EACH - 2) + 1
    assert found["split"]["test"] == USERS
    code, _, _ = p5rec("run", "sft", "--config", mine.config, "--out", mine.folder / "out")
    report = json.loads((mine.folder / "out" / "report.json").read_text())
    assert (code, report["methods"][0]["n"]) == (0, USERS)


def test_nobody_with_more_than_one_event(p5rec: Any, mine: Mine, home: Path) -> None:
    head, *rows = (mine.folder / LOG).read_text().splitlines()
    (mine.folder / LOG).write_text("\n".join([head, *rows[::EACH]]) + "\n")
    message = (
        r"log.csv: expected a user to evaluate under the split leave-one-out, got none of 40; "
    )
    refused(p5rec("run", "sft", "--config", mine.config), message)
    gc.collect()  # closes the store, which records what the process reads
    assert files(home) == set()


def test_an_unknown_field_in_the_users_own_prompts(p5rec: Any, mine: Mine) -> None:
    from p5rec.core.paths import assets

    text = (assets("prompts") / "rating.yaml").read_text().replace("family: rating", "family: mine")
    (mine.folder / "own").mkdir()
    (mine.folder / "own" / "mine.yaml").write_text(text.replace("{title}", "{titel}", 1))
    message = r"own/mine.yaml:\d+: .*'titel'.* did you mean 'title'"
    refused(p5rec("prompts", "list", "--folder", mine.folder / "own"), message)
    mine.replace(
        RECIPE, "    decode:", f"    prompts: {{folders: ['{mine.folder / 'own'}']}}\n    decode:"
    )
    refused(p5rec("run", "sft", "--config", mine.config, "--out", mine.folder / "out"), message)
    assert not (mine.folder / "out").exists()


@pytest.fixture
def model(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the trained model, to be damaged."""
    return Path(shutil.copytree(trained.model, tmp_path / "model"))


def commands(model: Path, mine: Mine) -> list[list[object]]:
    shared = ["--config", mine.config, "--model", model, "--out"]
    return [
        ["recommend", *shared, mine.folder / "lists.jsonl"],
        ["evaluate", *shared, mine.folder / "measured"],
    ]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("trained.safetensors", r"trained.safetensors: expected the file that was saved"),
        ("codes/codes.safetensors", r"codes/codes.safetensors: expected the file that was saved"),
        ("manifest.json", r"manifest.json: expected "),
        (None, r"model: expected a trained model's folder, got no manifest.json"),
    ],
)
def test_a_corrupted_checkpoint(
    p5rec: Any, mine: Mine, model: Path, file: str | None, message: str
) -> None:
    if file:
        content = (model / file).read_bytes()
        (model / file).write_bytes(content[: len(content) // 2])
    else:
        (model / "manifest.json").unlink()
    before = files(mine.folder)
    for words in commands(model, mine):
        refused(p5rec(*words), message)
    assert files(mine.folder) == before


def test_codes_of_another_item_table(p5rec: Any, mine: Mine, model: Path) -> None:
    """A complete codes folder of other items in a model."""
    from p5rec.core.artefacts import file_sha256
    from p5rec.ids.files import load_codes, save_codes

    codes = load_codes(model / "codes")
    save_codes(codes, model / "codes", [f"other-{n}" for n in range(len(codes))])
    manifest = json.loads((model / "manifest.json").read_text())
    for name in ("codes/codes.json", "codes/items.json"):
        manifest["files"][name] = file_sha256(model / name)
    (model / "manifest.json").write_text(json.dumps(manifest))
    before = files(mine.folder)
    for words in commands(model, mine):
        refused(
            p5rec(*words),
            r"codes: expected codes of the items in items.json, got codes of other items",
        )
    assert files(mine.folder) == before


def test_a_model_of_another_item_table(p5rec: Any, mine: Mine, trained: Trained) -> None:
    with open(mine.folder / LOG, "a") as log:
        log.write("u0,i24,1000900,3\n")
    with open(mine.folder / ITEMS, "a") as items:
        items.write("i24,New,Epic\n")
    before = files(mine.folder)
    for words in commands(trained.model, mine):
        refused(p5rec(*words), r"expected the 24 items it was fitted to, got an item table of 25")
    assert files(mine.folder) == before
