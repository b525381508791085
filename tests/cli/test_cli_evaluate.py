"""``p5rec evaluate``: the metrics of a run again, and lists of any origin, by the same protocol."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from my_folder import EACH, ITEMS, USERS, Mine, Trained, files


def numbers(folder: Path, name: str, task: str) -> dict[str, Any]:
    report = json.loads((folder / "report.json").read_text())
    (found,) = [m for m in report["methods"] if (m["name"], m["task"]) == (name, task)]
    return {key: found[key] for key in ("metrics", "slices", "n", "invalid_rate", "other_metrics")}


@pytest.fixture
def measure(p5rec: Any, trained: Trained) -> Any:
    return lambda *words: p5rec("evaluate", "--config", trained.config, *words)


def test_evaluate_has_the_metrics_of_the_run(measure: Any, trained: Trained) -> None:
    code, out, _ = measure(
        "--model",
        trained.model,
        "--k",
        10,
        "--prompts",
        "rating=10",
        "--beams",
        20,
        "--out",
        "again",
    )
    assert code == 0
    estimators = ("mine (mean)", "mine (words)", "mine (text)", "bias")
    for name, task in (("mine", "sequential"), *((name, "rating") for name in estimators)):
        again, first = (numbers(f, name, task) for f in (Path("again"), trained.out))
        assert again == first
    assert "sequential, test: leave-one-out split, all 24 items ranked, seen items excluded" in out
    assert "note: " not in out
    assert Path("again/report.html").is_file()
    assert "p5rec evaluate --config" in Path("again/report.html").read_text()


@pytest.mark.parametrize("name", ["popularity.parquet", "mine.jsonl"])
def test_the_lists_of_a_run_have_its_metrics(measure: Any, trained: Trained, name: str) -> None:
    assert measure("--lists", trained.out / "lists" / name, "--out", "again")[0] == 0
    method = Path(name).stem
    again, first = (numbers(f, method, "sequential") for f in (Path("again"), trained.out))
    if method == "popularity":  # lists from a file have no unsupported slice
        assert first["slices"].pop("unseen-item")["metrics"] == "unsupported"
        assert again["slices"].pop("unseen-item")["metrics"] != "unsupported"
    assert again == first


def test_any_two_evaluations_can_be_paired(measure: Any, trained: Trained, p5rec: Any) -> None:
    """A run, and lists from a file under another name."""
    last_items(trained, 1).write_csv("oracle.csv")
    assert measure("--lists", "oracle.csv", "--out", "right")[0] == 0
    words = ("report", "diff", trained.out, "right", "--pair", "popularity=oracle")
    code, out, err = p5rec(*words)
    assert (code, err) == (0, "")
    assert "popularity / oracle" in out
    assert measure("--lists", trained.out / "lists" / "mine.jsonl", "--out", "again")[0] == 0
    code, out, _ = p5rec("report", "diff", trained.out, "again")
    assert (code, "equal in both runs: mine (sequential, test)" in out) == (0, True)
    assert measure("data.split=user-time", "--lists", "oracle.csv", "--out", "other")[0] == 0
    code, out, err = p5rec("report", "diff", "right", "other")
    assert (code, out) == (2, "")
    assert "expected the same split of sequential, got leave-one-out and user-time" in err


def last_items(trained: Trained, back: int) -> pl.DataFrame:
    """Each user's event ``back`` positions from the end, as lists of one item."""
    log = pl.read_csv(trained.folder / "log.csv", infer_schema=False)
    held = log.group_by("user", maintain_order=True).agg(pl.col("item").get(EACH - back))
    return held.with_columns(rank=1)


def test_lists_by_hand(measure: Any, trained: Trained) -> None:
    """Rank 1 for half of the users and no list for the others: .5 for every metric."""
    right = last_items(trained, 1)[: USERS // 2]
    right.write_csv("oracle.tsv", separator="\t")
    code, out, err = measure("--lists", "oracle.tsv", "--out", "right")
    assert (code, err) == (0, "")
    assert "note: 20 of 40 users have no list in oracle.tsv; each counts as a miss." in out
    metrics = numbers(Path("right"), "oracle", "sequential")["metrics"]
    assert {metric: found["value"] for metric, found in metrics.items()} == {
        "HR@1": 0.5, "NDCG@1": 0.5, "MRR@1": 0.5
    }  # fmt: skip


def test_the_split_is_chosen_and_seen_items_are_reported(measure: Any, trained: Trained) -> None:
    last_items(trained, 2).write_ndjson("before.jsonl")
    code, out, _ = measure("--lists", "before.jsonl", "--on", "valid", "--out", "valid")
    assert (code, "seen items excluded" in out) == (0, True)
    assert numbers(Path("valid"), "before", "sequential")["metrics"]["HR@1"]["value"] == 1
    code, out, _ = measure("--lists", "before.jsonl", "--out", "test")
    assert (code, "seen items allowed" in out) == (0, True)
    assert numbers(Path("test"), "before", "sequential")["metrics"]["HR@1"]["value"] == 0


def test_users_without_test_events_are_noted(measure: Any, mine: Mine, p5rec: Any) -> None:
    with open(mine.folder / "log.csv", "a") as log:
        log.write("newcomer,i0,1000000,3\n")
    Path("a.csv").write_text("user,rank,item,score\nnewcomer,1,i3,.5\nu1,2,i5,-1\nu1,1,i4,0\n")
    code, out, _ = p5rec("evaluate", "--config", mine.config, "--lists", "a.csv")
    assert (code, "note: 1 users of a.csv have no event in the test split" in out) == (0, True)
    Path("a.csv").write_text("user,rank,item\nnewcomer,1,i3\n")
    code, _, err = p5rec("evaluate", "--config", mine.config, "--lists", "a.csv")
    assert (code, "expected lists for users with an event in the test split" in err) == (2, True)


def test_unknown_items_keep_their_rank(measure: Any, trained: Trained) -> None:
    """Unknown items are no hits and keep their ranks: the target stays at rank 2."""
    right = last_items(trained, 1).with_columns(rank=2)
    made_up = right.with_columns(rank=1, item=pl.lit("no such item") + pl.col("user"))
    more = pl.DataFrame(
        {"user": ["u0", "u0", "u1", "stranger"], "item": ["gone", None, right["item"][1], "i1"],
         "rank": [3, 4, 3, 1]}
    )  # fmt: skip
    lists = pl.concat([made_up, right, more], how="diagonal_relaxed")
    lists.write_csv("a.csv")
    code, out, err = measure("--lists", "a.csv", "--out", "measured")
    assert (code, err) == (0, "")
    assert "note: 1 users of a.csv are not in the data and were not evaluated." in out
    assert (
        f"note: {USERS + 2} of {2 * USERS + 3} recommendations name no item of the catalogue" in out
    )
    found = numbers(Path("measured"), "a", "sequential")
    assert found["invalid_rate"] == pytest.approx((USERS + 2) / (2 * USERS + 3))
    assert found["metrics"]["HR@4"]["value"] == 1
    assert found["metrics"]["MRR@4"]["value"] == 0.5
    record = json.loads((Path("measured") / "report.json").read_text())
    assert record["methods"][0]["duplicate_rate"] == pytest.approx(1 / (2 * USERS + 3))
    assert any("(no item of the catalogue)" in s["prediction"] for s in record["samples"])


def test_models_fitted_to_held_out_events_are_refused(measure: Any, trained: Trained) -> None:
    for model in (trained.model, trained.out / "models" / "popularity"):
        code, out, _ = measure("--model", model, "data.split=few-shot", "data.few_shot=1")
        assert code == 0
        assert re.search(r"note: \w+ was fitted to \d+ of the \d+ events outside", out)
        code, out, _ = measure("--model", model)
        assert (code, "was fitted to" in out) == (0, False)
        code, _, err = measure("--model", model, "data.min_rating=2")
        assert (code, "expected a model that was not fitted to the held-out events" in err) == (
            2, True,
        )  # fmt: skip
        code, out, _ = measure("--model", model, "data.min_rating=2", "--allow-seen")
        assert (code, "its metrics do not apply to new events" in out) == (0, True)


ERRORS = {
    "no user": (
        "user,rank,item\nu1,1,i1\n,1,i1\n",
        "a.csv, row 3: expected a user id, got nothing",
    ),
    "unknown users": (
        "user,rank,item\nme,1,i1\n",
        "lists for users with an event in the test split",
    ),
    "no rank": ("user,item\nu1,i1\n", "a.csv: expected a column 'rank', got none"),
    "rank 0": ("user,rank,item\nu1,0,i1\n", "row 2: expected a whole number from 1 in column 'ran"),
    "rank 1.5": ("user,rank,item\nu1,1.5,i1\n", "got '1.5'"),
    "rank missing": ("user,rank,item\nu1,,i1\n", "in column 'rank', got nothing"),
    "rank twice": (
        "user,rank,item\nu1,1,i1\nu2,1,i1\nu1,1,i2\n",
        "a.csv, row 4: expected rank 2 of user 'u1', got rank 1 again",
    ),
    "a gap": ("user,rank,item\nu1,1,i1\nu1,3,i2\n", "row 3: expected rank 2 of user 'u1', got ran"),
    "a wild rank": ("user,rank,item\nu1,900000000000,i1\n", "expected rank 1 of user 'u1', got"),
    "score": ("user,rank,item,score\nu1,1,i1,best\n", "expected a number in column 'score', got"),
    "empty": ("user,rank,item\n", "a.csv: expected at least one row, got none"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_broken_lists_are_one_line(measure: Any, trained: Trained, name: str) -> None:
    content, said = ERRORS[name]
    Path("a.csv").write_text(content)
    before = files(Path())
    code, out, err = measure("--lists", "a.csv", "--out", "measured")
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert said in err
    assert files(Path()) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "expected --model FOLDER or --lists FILE, got neither"),
        (["--lists", "a.csv", "--model", "m"], "got both"),
        (["--lists", "a.csv", "--prompts", "rating=3"], "expected --prompts with --model only"),
        (["--lists", "a.csv"], "a.csv: expected a file or folder, got nothing there"),
        (["--model", "m"], "m: expected a fitted method's folder, got no config.json"),
        (["--model", "m", "--prompts", "rating"], "--prompts: expected FAMILY=N, got 'rating'"),
        (["--model", "m", "--prompts", "rating=0"], "--prompts: expected FAMILY=N, got 'rating=0'"),
    ],
)
def test_conflicting_options(measure: Any, words: list[str], said: str) -> None:
    code, out, err = measure(*words)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert said in err


def test_the_full_catalogue_is_ranked(trained: Trained) -> None:
    report = json.loads((trained.out / "report.json").read_text())
    assert report["protocol"]["candidates"] == ITEMS
