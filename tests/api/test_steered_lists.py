"""``Model.recommend(wish=...)``: steered lists of a model with data and of a saved one."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import p5rec

USERS = ["u1", "u2", "u3"]


def test_a_wish_moves_lists_and_names_what_matches(
    ease: p5rec.Model, train: p5rec.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    lists = ease.recommend(users=USERS, k=5, wish="something red, no blue ones")
    said = capsys.readouterr().err
    assert said == "wish: more colour red ('red'); no colour blue ('blue')\n"
    colours = lists.join(train.items, on="item")["colour"].to_list()
    assert "blue" not in colours
    plain = ease.recommend(users=USERS, k=5).join(train.items, on="item")["colour"].to_list()
    assert colours.count("red") > plain.count("red")
    named = lists.join(train.items, on="item").select(
        (pl.col("wish") == "more colour red") == (pl.col("colour") == "red")
    )
    assert named.to_series().all()


@pytest.mark.parametrize("kind", ["ease", "hybrid"])
def test_a_saved_model_knows_the_attributes(
    kind: str, request: pytest.FixtureRequest, train: p5rec.Dataset, tmp_path: Path
) -> None:
    model: p5rec.Model = request.getfixturevalue(kind)
    model.save(tmp_path / "model")
    saved = p5rec.load(tmp_path / "model")
    histories = {"someone": ["A-1", "A-8", "A-15"]}
    wish = saved.parse_wish("only green")
    lists = saved.recommend(histories=histories, k=4, wish=wish)
    assert lists.equals(model.recommend(histories=histories, k=4, wish="only green"))
    colours = lists.join(train.items, on="item")["colour"]
    assert colours.to_list() == ["green"] * 4


def test_wishes_that_cannot_be_met(ease: p5rec.Model, train: p5rec.Dataset) -> None:
    with pytest.raises(p5rec.UserError, match="got 'mauve'"):
        ease.recommend(users=USERS, wish="mauve")
    with pytest.raises(p5rec.UserError, match="at least one allowed item for each user"):
        ease.recommend(users=USERS, wish="only red", candidates=["A-1", "A-2"])
    other = p5rec.Dataset.from_frame(
        train.events, train.items.head(20), attributes=["colour"], user="user", item="item",
        time="time", missing="drop",
    )  # fmt: skip
    wish = p5rec.Popularity().fit(other.split("leave-one-out"), verbose=False).parse_wish("red")
    with pytest.raises(p5rec.UserError, match="expected one over the model's 24 items"):
        ease.recommend(users=USERS, wish=wish)
