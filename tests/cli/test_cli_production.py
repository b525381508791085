"""``p5rec refit`` and ``update``: from a run to a production model and its update."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from my_folder import ITEMS, Trained, files, write_mine


@pytest.fixture
def yours(tmp_path: Path) -> Path:
    """A copy of the data of ``trained``, with later events."""
    mine = write_mine(tmp_path)
    with open(mine.folder / "log.csv", "a") as log:
        log.writelines(
            f"new{n},i{(n + m) % 25},{2_000_000 + m},5\n" for n in range(3) for m in (1, 2)
        )
        log.write("new0,i24,2000009,4\n")
    with open(mine.folder / "items.csv", "a") as items:
        items.write("i24,Title 24,Drama\n")
    return mine.folder


def test_a_run_is_refitted_and_updated(p5rec: Any, trained: Trained, yours: Path) -> None:
    code, said, err = p5rec("refit", trained.out, "--method", "mine", "--out", "production")
    assert code == 0, err
    assert "generative: anew, 4 steps\n280 events, 80 of them new to the model\n" in said
    code, said, err = p5rec(
        "update", "production", "--config", yours / "my.yaml", "--out", "tomorrow", "--share", 0.5
    )
    assert code == 0, err
    assert "generative: from an earlier model, 2 steps\n287 events, 7 of them new" in said
    assert "3 new users, 1 new items\n" in said
    news = json.loads(Path("tomorrow/news.json").read_text())
    assert (sorted(news["users"]), news["items"]) == (["new0", "new1", "new2"], ["i24"])
    about = json.loads(Path("tomorrow/provenance.json").read_text())
    assert (about["operation"], [each["operation"] for each in about["earlier"]]) == (
        "update",
        ["refit"],
    )
    code, _, err = p5rec(
        "recommend", "--model", "tomorrow", "--config", yours / "my.yaml", "--out", "lists.parquet",
        "--k", ITEMS, "--include-seen",
    )  # fmt: skip
    assert code == 0, err
    assert "i24" in pl.read_parquet("lists.parquet")["item"]


def test_a_refitted_model_is_evaluated_on_later_events(
    p5rec: Any, trained: Trained, yours: Path
) -> None:
    assert p5rec("refit", trained.model, "--out", "production")[0] == 0
    later = "data.split=time", "data.test_from=2000000"
    measure = "evaluate", "--model", "production", "--config", yours / "my.yaml", *later
    code, _, err = p5rec(*measure)
    assert (code, "expected the 24 items it was fitted to" in err) == (2, True)
    code, said, err = p5rec(*measure, "--other-items")
    assert code == 0, err
    assert "note: production knows 24 of the 25 items: " in said
    assert "sequential, test: time split, all 25 items ranked" in said


def test_a_model_of_all_events_is_evaluated_if_allowed(p5rec: Any, trained: Trained) -> None:
    assert p5rec("refit", trained.model, "--out", "production")[0] == 0
    measure = (
        "evaluate",
        "--model",
        "production",
        "--config",
        trained.config,
        "--prompts",
        "rating=5",
    )
    code, _, err = p5rec(*measure)
    assert code == 2
    assert "expected a model that was not fitted to the held-out events" in err
    code, said, err = p5rec(*measure, "--allow-seen", "--out", "report")
    assert code == 0, err
    assert "note: production was refitted to all events on 20" in said
    manifest = json.loads(Path("report/report.json").read_text())["manifest"]
    assert manifest["provenance"]["new_events"] == 80


def test_the_source_of_an_initialised_method_is_refitted_too(p5rec: Any, tmp_path: Path) -> None:
    mine = write_mine(tmp_path)
    short = "steps: 3, tasks: {next-item: {}}"
    code, _, err = p5rec(
        "run", "sft", "--config", mine.config, "--out", "run", "evaluate.prompts={}",
        "evaluate.compare=[]", f"methods.more={{like: mine, start: mine, train: {{{short}}}}}",
    )  # fmt: skip
    assert code == 0, err
    code, said, err = p5rec("refit", "run", "--method", "more", "--out", "production")
    assert code == 0, err
    assert said.count("fit generative: made ") == 2
    assert "generative: from an earlier model, 3 steps" in said


ERRORS: dict[str, tuple[list[str], str]] = {
    "no method": (["refit", "{run}"], "--method: expected a method of the run, got none; "),
    "another": (["refit", "{run}", "--method", "min"], "got 'min'; did you mean 'mine'?"),
    "no model": (["update", "{run}/ids"], "expected a fitted method's folder, got no config.json"),
    "a share": (
        ["update", "{run}", "--method", "mine", "--share", "2"],
        "expected a share above 0",
    ),
    "nothing new": (
        ["update", "{production}", "--config", "{run}"],
        "update: expected events that the model was not trained on, got none among 280",
    ),
    "today alone": (
        ["update", "{production}", "--config", "{today}"],
        "update: expected the full current log, with old and new events, got one with 0 of the "
        "280 events of the model's training; add them",
    ),
    "taken": (
        ["refit", "{run}", "--method", "mine", "--out", "{run}"],
        "--out: expected a new folder, got {run}, which is not empty; ",
    ),
    "damaged": (
        ["update", "{damaged}", "--config", "{run}"],
        "lineage.npy: expected event keys, got a damaged file; copy the folder again",
    ),
    "all": (
        ["run", "{run}", "data.split=all"],
        "data.split: expected a rule that holds out events for evaluation",
    ),
    "all, measured": (
        ["evaluate", "--model", "{run}/models/mine", "data.split=all"],
        "data.split: expected a rule that holds out events for evaluation, got 'all'; ",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_one_line_and_write_nothing(
    p5rec: Any, trained: Trained, yours: Path, name: str
) -> None:
    words, said = ERRORS[name]
    places = {"run": trained.out, "production": Path("production"), "damaged": Path("damaged")}
    places["today"] = yours / "my.yaml"
    if places.keys() & {word.strip("{}") for word in words} - {"run"}:
        assert p5rec("refit", trained.model, "--out", "production")[0] == 0
        shutil.copytree("production", "damaged")
        Path("damaged/lineage.npy").write_bytes(b"")
        log = pl.read_csv(yours / "log.csv").with_columns(pl.col("time") + 1)
        log.write_csv(yours / "log.csv")
    before = files(Path())
    command = [word.format(**places) for word in words]
    out = [] if command[0] == "evaluate" or "--out" in command else ["--out", "out"]
    code, _, err = p5rec(*command, *out)
    assert code == 2
    assert said.format(**places) in err
    assert len(err.splitlines()) == 1
    assert files(Path()) == before
