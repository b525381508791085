"""``p5rec audit``: its targets, findings and error messages."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from my_folder import Mine, Trained

from p5rec.audit.targets import find_targets
from p5rec.prompting.source import PromptsConfig


@pytest.fixture(autouse=True)
def few_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p5rec.audit.prompts.MAX_EVENTS", 4)


def log() -> pl.DataFrame:
    """30 users with 5 of 150 items each, numbered as they appear; times in the same order."""
    users = np.repeat(np.arange(30), 5)
    return pl.DataFrame(
        {"user": [f"u{u}" for u in users], "item": np.arange(150), "time": 1e9 + np.arange(150)}
    ).with_columns(pl.col("time").cast(pl.Int64))


def test_a_log_of_every_kind_is_read_as_it_is(p5rec: Any) -> None:
    events = log()
    events.write_csv("log.csv")
    events.write_csv("log.tsv", separator="\t")
    events.write_parquet("log.parquet")
    events.write_ndjson("log.jsonl")
    renamed = {"user": "userId", "item": "movieId", "time": "timestamp"}
    Path("ml").mkdir()
    ratings = events.rename(renamed).with_columns(rating=pl.lit(4.0))
    ratings.select("userId", "movieId", "rating", "timestamp").write_csv("ml/ratings.csv")
    movies = pl.DataFrame({"movieId": np.arange(150), "title": [f"Film {n}" for n in range(150)]})
    movies.with_columns(genres=pl.lit("Drama")).write_csv("ml/movies.csv")
    lines = [f"u{u} {' '.join(str(5 * u + n) for n in range(5))}" for u in range(30)]
    Path("seq").mkdir()
    with gzip.open("seq/sequences.txt.gz", "wt") as handle:
        handle.write("\n".join(lines))
    for target in ("log.csv", "log.tsv", "log.parquet", "log.jsonl", "ml", "seq"):
        code, out, err = p5rec("audit", target, "--json", "found.json")
        assert (code, err) == (1, ""), target
        assert out.startswith("30 users, 150 items, 150 events, split leave-one-out\n"), target
        found = json.loads(Path("found.json").read_text())
        (leak,) = (f for f in found["findings"] if f["check"] == "1 ids by appearance")
        assert found["leak"] == sum(f["severity"] == "leak" for f in found["findings"])
        assert leak["numbers"]["targets_next"] == 1
        assert len(leak["evidence"]) == 5
        for row in leak["evidence"]:
            user = int(row["user"].lstrip("u"))
            assert 5 * user + 3 <= int(row["item"]) <= 5 * user + 4
            assert int(row["last"]) == int(row["item"]) - 1
            first = 1 if target in ("log.parquet", "log.jsonl", "seq") else 2
            assert row["row"] == first + (user if target == "seq" else int(row["item"]))


def test_columns_split_and_kind_may_be_named(p5rec: Any) -> None:
    named = {"user": "who", "item": "what", "time": "when"}
    log().rename(named).write_csv("log.csv")
    names = [f"data.columns.{part}={column}" for part, column in named.items()]
    assert p5rec("audit", "log.csv", *names)[0] == 1
    code, out, _ = p5rec("audit", "log.csv", *names, "data.split=time", "--source", "table")
    assert "split time\n" in out
    assert code == 1


def test_ties_by_id_in_a_file_are_a_warning(p5rec: Any) -> None:
    rng = np.random.default_rng(0)
    items = np.stack([rng.permutation(90)[:6] for _ in range(60)])
    rows = pl.DataFrame(
        {
            "user": np.repeat(np.arange(60), 6),
            "item": [f"i{n:02d}" for n in items.ravel()],
            "time": np.tile(np.repeat([100, 200, 300], 2), 60) + np.repeat(np.arange(60), 6),
        }
    )
    rows.sort("user", "time", "item").write_csv("log.csv")
    code, out, _ = p5rec("audit", "log.csv", "--json", "found.json")
    assert code == 0
    (warned,) = (f for f in json.loads(Path("found.json").read_text())["findings"]
                 if f["severity"] == "warning")  # fmt: skip
    assert warned["check"] == "4 ties by id in the file"
    assert warned["numbers"]["share"] == 1
    assert "here a seeded shuffle breaks them" in " ".join(out.split())
    assert [row["row"] for row in warned["evidence"]] == [3, 5, 7, 9, 11]


def test_a_run_and_its_store_are_clean(p5rec: Any, trained: Trained, monkeypatch: Any) -> None:
    monkeypatch.setenv("P5REC_HOME", str(trained.folder / "home"))
    for target in (trained.out, trained.folder / "home" / "store", trained.config):
        code, out, err = p5rec("audit", target)
        assert (code, err) == (0, ""), out
        assert "leaks found: 0, warnings found: 0" in out


def test_a_run_is_audited_with_the_prompts_of_its_methods(
    trained: Trained, monkeypatch: Any
) -> None:
    monkeypatch.setenv("P5REC_HOME", str(trained.folder / "home"))
    for target in (trained.out, trained.folder / "home" / "store"):
        ((found,), _) = find_targets(target, [], "")
        assert found.prompts == [PromptsConfig()]
        assert len(found.codes) == 1


def test_prompts_of_ones_own_are_read(p5rec: Any, mine: Mine) -> None:
    Path("own").mkdir()
    Path("own/broken.yaml").write_text("family: mine\n")
    code, _, err = p5rec("audit", mine.config, "--prompts", "own")
    assert code == 2
    assert "own/broken.yaml" in err
    mine.replace("my.yaml", "    train:\n", "    prompts: {folders: [own]}\n    train:\n")
    assert p5rec("audit", mine.config)[0] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.csv"], "nowhere.csv: expected a file or folder, got nothing there"),
        (["log.xls"], "log.xls: expected a YAML, a folder, or a log (.csv, "),
        (["empty"], "empty: expected a run, prepared data, a store, or a folder with one log"),
        (["other.csv"], "expected a column 'user' for the user, got none; did you mean 'users'?"),
        (["log.csv", "split=time"], "expected data.key=value beside a log, got 'split=time'"),
        (["log.csv", "data.splt=time"], "expected a known key, got 'splt'; did you mean 'split'?"),
        (["log.csv", "--source", "tabel"], "got 'tabel'; did you mean 'table'?"),
        (
            ["log.csv", "--users", "others.csv"],
            "others.csv: expected users of the log, got no",
        ),
        (["log.csv", "--users", "other.csv"], "other.csv: expected a column 'user', got none"),
    ],
)
def test_bad_input_is_one_line(p5rec: Any, words: list[str], said: str) -> None:
    log().write_csv("log.csv")
    Path("log.xls").write_text("x")
    Path("empty").mkdir()
    Path("others.csv").write_text("user,text\nx1,hello\n")
    pl.DataFrame({"users": ["u1"], "item": ["1"], "time": [5]}).write_csv("other.csv")
    code, _, err = p5rec("audit", *words, "--json", "found.json")
    assert (code, len(err.splitlines())) == (2, 1), err
    assert said in err
    assert not Path("found.json").exists()
