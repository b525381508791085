"""``p5rec recommend``: ranked lists, ratings, clicks and explanations, and error messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from my_folder import EACH, ITEMS, USERS, Mine, Trained

from p5rec.api.dataset import Dataset
from p5rec.api.estimators import estimator
from p5rec.api.evaluation import evaluate
from p5rec.api.loading import load
from p5rec.core.errors import UserError
from p5rec.ids.files import load_codes, load_item_ids


@pytest.fixture
def recommend(p5rec: Any, trained: Trained) -> Any:
    """The command with model and config filled in."""
    return lambda *words: p5rec(
        "recommend", "--model", trained.model, "--config", trained.config, *words
    )


def test_lists_use_all_events_of_a_user(recommend: Any, trained: Trained) -> None:
    code, out, _ = recommend("--out", "a.parquet", "--out", "a.jsonl", "--out", "a.csv", "--k", 5)
    rows = USERS * 5
    assert (code, out) == (0, f"{rows} rows: a.parquet\n{rows} rows: a.jsonl\n{rows} rows: a.csv\n")
    lists = pl.read_parquet("a.parquet")
    assert lists.equals(pl.read_csv("a.csv", schema=lists.schema))
    assert lists.equals(pl.read_ndjson("a.jsonl", schema=lists.schema))
    assert set(lists["rank"]) == {1, 2, 3, 4, 5}
    log = pl.read_csv(trained.folder / "log.csv", schema_overrides={"user": pl.String})
    assert lists.join(log, on=["user", "item"]).is_empty()  # held-out items count as seen
    assert lists["title"].to_list() == [f"Title {item[1:]}" for item in lists["item"]]


def test_lists_have_all_remaining_items(recommend: Any) -> None:
    pl.DataFrame({"user": ["u3", "u1", "u3"]}).write_csv("users.csv")
    assert recommend("--out", "a.csv", "--k", ITEMS, "--users", "users.csv")[0] == 0
    lists = pl.read_csv("a.csv")
    assert lists.group_by("user", maintain_order=True).len().rows() == [
        ("u3", ITEMS - EACH), ("u1", ITEMS - EACH)
    ]  # fmt: skip
    assert (
        recommend("--out", "b.csv", "--k", ITEMS, "--users", "users.csv", "--include-seen")[0] == 0
    )
    assert pl.read_csv("b.csv").group_by("user").len()["len"].to_list() == [ITEMS, ITEMS]


def test_a_list_depends_on_its_user_alone(recommend: Any) -> None:
    pl.DataFrame({"user": ["u7"]}).write_ndjson("one.jsonl")
    assert recommend("--out", "one.parquet", "--users", "one.jsonl")[0] == 0
    assert recommend("--out", "all.parquet")[0] == 0
    every = pl.read_parquet("all.parquet").filter(pl.col("user") == "u7")
    alone = pl.read_parquet("one.parquet")
    assert alone.drop("score").equals(every.drop("score"))
    assert (alone["score"] - every["score"]).abs().max() < 1e-5


def test_ratings_and_explanations_of_new_pairs(recommend: Any) -> None:
    pairs = pl.DataFrame({"item": ["i2", "i2", "i9"], "user": ["u5", "u0", "u5"], "why": [1, 2, 3]})
    pairs.write_parquet("pairs.parquet")
    assert recommend("--what", "ratings", "--pairs", "pairs.parquet", "--out", "r.parquet")[0] == 0
    rated = pl.read_parquet("r.parquet")
    assert rated.columns == ["user", "item", "title", "rating"]
    assert rated["user"].to_list() == ["u5", "u0", "u5"]
    assert rated["title"].to_list() == ["Title 2", "Title 2", "Title 9"]
    assert rated["rating"].is_between(1, 5).all()
    explanations = ("--what", "explanations", "--out", "e.jsonl")
    assert recommend(*explanations, "--pairs", "pairs.parquet")[0] == 0
    assert pl.read_ndjson("e.jsonl").columns == ["user", "item", "title", "explanation"]
    pairs[2:].write_parquet("one.parquet")  # a prediction is independent of the other pairs
    assert recommend("--what", "ratings", "--pairs", "one.parquet", "--out", "s.parquet")[0] == 0
    assert abs(pl.read_parquet("s.parquet")["rating"][0] - rated["rating"][2]) < 1e-5


def test_clicks_of_pairs(recommend: Any, p5rec: Any, trained: Trained) -> None:
    data = Dataset.from_config(trained.config).split()
    rate = estimator("ItemClickRate")(smoothing=10.0).fit(data, verbose=False)
    rate.save("rate")
    pairs = pl.DataFrame({"user": ["u5", "u0"], "item": ["i2", "i9"]})
    pairs.write_csv("pairs.csv")
    what = ("--what", "clicks", "--pairs", "pairs.csv", "--out", "c.parquet")
    assert p5rec("recommend", "--model", "rate", "--config", trained.config, *what)[0] == 0
    assert pl.read_parquet("c.parquet").equals(rate.predict_click(pairs))
    code, _, said = recommend(*what)
    assert (code, "expected a method that predicts clicks, got a generative" in said) == (2, True)


def lists_of(recommend: Any, *words: Any) -> pl.DataFrame:
    code, _, err = recommend("--out", "c.parquet", *words)
    assert code == 0, err
    return pl.read_parquet("c.parquet")


def test_candidates_conditions_allow_and_deny(recommend: Any, trained: Trained) -> None:
    pl.DataFrame({"item": [f"i{n}" for n in range(0, ITEMS, 2)]}).write_csv("candidates.csv")
    pl.DataFrame({"user": ["u1", "u1"], "item": ["i2", "i4"]}).write_csv("deny.csv")
    lists = lists_of(
        recommend, "--k", ITEMS, "--candidates", "candidates.csv", "--deny", "deny.csv"
    )
    assert {int(item[1:]) % 2 for item in lists["item"]} == {0}
    assert not set(lists.filter(pl.col("user") == "u1")["item"]) & {"i2", "i4"}
    items = pl.read_csv(trained.folder / "items.csv")
    genre = items["genres"][0].split("|")[0]
    some = lists_of(recommend, "--k", ITEMS, "--items-where", f"array_contains(genres, '{genre}')")
    having = items.filter(pl.col("genres").str.split("|").list.contains(genre))["item"]
    assert set(some["item"]) <= set(having)
    assert len(some)
    pl.DataFrame({"user": ["u1", "u2", "u2"], "item": ["i3", "i5", "i6"]}).write_csv("allow.csv")
    pl.DataFrame({"user": ["u2", "u1"]}).write_csv("two.csv")
    own = lists_of(recommend, "--allow", "allow.csv", "--users", "two.csv", "--include-seen")
    assert set(own.select("user", "item").rows()) == {("u1", "i3"), ("u2", "i5"), ("u2", "i6")}


def test_users_are_selected_by_a_condition(recommend: Any, trained: Trained) -> None:
    log = pl.read_csv(trained.folder / "log.csv", schema_overrides={"user": pl.String})
    high = log.group_by("user").agg(pl.col("rating").mean()).filter(pl.col("rating") > 3)
    lists = lists_of(recommend, "--where", f"mean_rating > 3 AND events = {EACH}")
    assert set(lists["user"]) == set(high["user"])
    pl.DataFrame({"user": ["u1", "u2"], "age": [17, 40]}).write_csv("users.csv")
    table = ("data.users.path=users.csv", "data.users.columns.attributes.age=age")
    young = lists_of(recommend, "--where", "user.age < 18 AND events > 0", *table)
    assert set(young["user"]) == {"u1"}
    code, _, said = recommend("--out", "d.parquet", "--where", "user.ages < 18", *table)
    assert (code, "the unknown word 'user.ages'); " in said) == (2, True)


def test_diverse_and_sampled_lists(recommend: Any, trained: Trained) -> None:
    diverse = lists_of(recommend, "--k", 3, "--per-prefix", 1, "--include-seen")
    codes = load_codes(trained.model / "codes").codes[:, 0]
    ids = load_item_ids(trained.model / "codes")
    first = {item: int(code) for item, code in zip(ids, codes, strict=True)}
    for _, items in diverse.group_by("user").agg("item").rows():
        assert len({first[item] for item in items}) == len(items)
    plain = lists_of(recommend, "--k", 3, "--include-seen")
    assert not diverse.equals(plain)
    sampled = lists_of(recommend, "--k", 3, "--search", "sample", "--include-seen")
    assert sampled.group_by("user").len()["len"].to_list() == [3] * USERS
    assert not sampled.equals(plain)


ERRORS: dict[str, tuple[list[str], str]] = {
    "no pairs": (["--what", "ratings"], "expected --pairs FILE with --what ratings, got none"),
    "pairs for lists": (["--pairs", "p.csv"], "with --what lists, got --pairs"),
    "users for ratings": (["--what", "ratings", "--users", "p.csv"], "got --users"),
    "no file": (["--what", "ratings", "--pairs", "q.csv"], "q.csv: expected a file or folder"),
    "no column": (["--users", "items.csv"], "items.csv: expected a column 'user', got none"),
    "nobody": (["--users", "none.csv"], "none.csv: expected at least one row, got none"),
    "a stranger": (["--users", "p.csv"], "p.csv, row 3: expected a known user, got 'x9' (and 1 mo"),
    "no item": (
        ["--what", "ratings", "--pairs", "g.csv"],
        "g.csv, row 2: expected a known item, g",
    ),
    "nothing remaining": (
        ["--allow", "p1.csv"],
        "expected at least one allowed item for each user, got none for user",
    ),
    "no such column": (["--where", "evnts > 3"], "--where: expected a condition on user, events"),
    "never true": (["--items-where", "title = 'x'"], "a condition that holds for a row"),
    "diversity without codes": (
        ["--search", "item-head", "--per-prefix", "2"],
        "got both; name one",
    ),
    "items without a head": (["--search", "item-head"], "expected a model with an item head"),
    "two kinds of users": (["--users", "p.csv", "--where", "events > 1"], "got both; name one"),
    "an ending": (["--out", "a.xls"], "a.xls: expected .parquet or .jsonl or .csv, got '.xls'"),
    "a new log": (["data.path=no.csv"], "no.csv: expected a file or folder, got nothing there"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_one_line_and_write_nothing(recommend: Any, name: str) -> None:
    Path("p.csv").write_text("user,item\nu1,i1\nx9,i1\n,i1\n")
    Path("p1.csv").write_text("user,item\nu1,i1\n")
    Path("g.csv").write_text("user,item\nu1,i1000\n")
    Path("items.csv").write_text("item\ni1\n")
    Path("none.csv").write_text("user,item\n")
    words, said = ERRORS[name]
    before = set(Path().iterdir())
    code, out, err = recommend(*words, *(() if "--out" in words else ("--out", "a.csv")))
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert said in err
    assert set(Path().iterdir()) == before


def test_only_trained_tasks_are_served(p5rec: Any, mine: Mine) -> None:
    mine.replace("my.yaml", "{next-item: {}, rating: {}, explanation: {}}", "{sequential-next: {}}")
    mine.replace(
        "my.yaml", "prompts: {rating: 10, explanation: 4}", "prompts: {sequential-next: 5}"
    )
    mine.replace("my.yaml", "compare: [[mine, popularity]]", "compare: []")
    assert p5rec("run", "sft", "--config", mine.config, "--out", "out")[0] == 0
    Path("p.csv").write_text("user,item\nu1,i1\n")
    words = ("recommend", "--model", "out/models/mine", "--config", mine.config, "--out", "a.csv")
    for task, more in {
        "next-item": (),
        "rating": ("--what", "ratings", "--pairs", "p.csv"),
        "explanation": ("--what", "explanations", "--pairs", "p.csv"),
    }.items():
        code, _, err = p5rec(*words, *more)
        assert (code, len(err.splitlines())) == (2, 1)
        assert f"expected a model trained on {task!r}, got one trained on sequential-next" in err
    code, _, err = p5rec("evaluate", "--model", "out/models/mine", "--config", mine.config)
    assert code == 0, err  # with the prompts of its run
    words = ("evaluate", "--model", "out/models/mine", "--config", mine.config, "--on", "valid")
    code, out, _ = p5rec(*words)
    assert (code, out.count("sequential-next, valid")) == (0, 1)
    asked = ("--prompts", "sequential-next=7")
    code, out, _ = p5rec("evaluate", "--model", "out/models/mine", "--config", mine.config, *asked)
    assert (code, out.count("sequential, test"), out.count("sequential-next, test")) == (0, 0, 1)


def test_new_items_are_ranked_with_extended_codes(
    p5rec: Any, trained: Trained, tmp_path: Path
) -> None:
    more = (trained.folder / "items.csv").read_text() + "i90,New,Noir|Drama\ni91,Newer,Epic\n"
    (tmp_path / "items.csv").write_text(more)
    new = (f"data.items.path={tmp_path / 'items.csv'}", "data.catalog=table")
    ids = trained.out / "ids" / "semantic"
    code, out, _ = p5rec("ids", "extend", ids, "--config", trained.config, "--out", "ids", *new)
    assert code == 0
    assert "2 new items, 24 items with unchanged codes" in out
    recommend = ("--model", trained.model, "--config", trained.config)
    remaining = ITEMS + 2 - EACH
    words = ("recommend", *recommend, "--ids", "ids", "--k", remaining, "--out", "a.parquet")
    assert p5rec(*words, *new)[0] == 0
    lists = pl.read_parquet("a.parquet")
    assert lists.group_by("user").len()["len"].unique().to_list() == [remaining]
    for item in ("i90", "i91"):
        assert lists.filter(pl.col("item") == item)["user"].n_unique() == USERS
    data = Dataset.from_config(trained.config, new)
    model = load(trained.model, data, ids="ids")
    assert model.recommend(k=remaining).equals(lists)
    assert evaluate(model, data.split(), prompts={}).table()["n"].to_list() == [USERS]
    with pytest.raises(UserError, match="expected a model without extended codes, got one with"):
        model.save("copied")
    with pytest.raises(UserError, match="load: ids: expected a data set with the new items"):
        load(trained.model, ids="ids")
    code, out, _ = p5rec("evaluate", *recommend, "--ids", "ids", *new)
    assert (code, "all 26 items ranked" in out) == (0, True)
    code, _, said = p5rec("recommend", *recommend, "--out", "b.parquet", *new)
    assert code == 2
    assert "extend its codes to new items (p5rec ids extend, then --ids)" in said
    assert not Path("b.parquet").exists()


def test_a_wish_steers_lists(recommend: Any, trained: Trained) -> None:
    items = pl.read_csv(trained.folder / "items.csv")
    genre = items["genres"].str.split("|").explode()[0]
    assert recommend("--out", "plain.csv", "--k", 5)[0] == 0
    code, _, err = recommend("--out", "a.csv", "--k", 5, "--wish", f"no {genre}, or submarines")
    assert code == 0
    assert f"wish: no genres {genre}" in err
    assert "not understood: 'submarines'" in err
    with_genres = pl.read_csv("a.csv").join(items, on="item")
    assert not with_genres["genres"].str.contains(genre).any()
    assert recommend("--out", "b.csv", "--k", 5)[0] == 0
    assert Path("b.csv").read_bytes() == Path("plain.csv").read_bytes()
    code, _, err = recommend("--out", "a.csv", "--wish", "submarines")
    assert (code, "got 'submarines'" in err) == (2, True)
    pairs = ("--what", "ratings", "--pairs", "p.csv", "--out", "r.csv")
    assert "expected --wish with --what lists" in recommend(*pairs, "--wish", genre)[2]
    assert (
        "expected --wish-vectors with --wish"
        in recommend("--out", "a.csv", "--wish-vectors", "folder")[2]
    )
