from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_shop import IDS, NETWORK

import p5rec
from p5rec.core.config import read_tree
from p5rec.core.recipes import config_path
from p5rec.methods.registry import METHODS, RANKING

HISTORIES = {"new": ["A-1", "A-2", "A-3"], "same": ["A-1", "A-2", "A-3"], "empty": []}
SEVERAL = {"popularity": "Popularity", "knn": "ItemKnn", "bpr": "Bpr", "sasrec": "Sasrec"}
QUICK: dict[str, dict[str, Any]] = {
    "popularity": {},
    "knn": {"neighbours": 5, "shrink": 0.0},
    "bpr": {"epochs": 1, "l2": 0.01},
    "sasrec": {"epochs": 1, "width": 8, "dropout": 0.0},
}


@pytest.fixture(params=["ease", "hybrid", *SEVERAL])
def model(request: pytest.FixtureRequest, train: p5rec.Dataset) -> p5rec.Model:
    if request.param in SEVERAL:
        estimator = getattr(p5rec, SEVERAL[request.param])(**QUICK[request.param])
        return estimator.fit(train, verbose=False)
    return request.getfixturevalue(request.param)


def test_a_saved_model_gives_the_same_lists(
    model: p5rec.Model, train: p5rec.Dataset, tmp_path: Path
) -> None:
    model.save(tmp_path / "m")
    alone, with_data = p5rec.load(tmp_path / "m"), p5rec.load(tmp_path / "m", train)
    assert with_data.recommend(k=5).equals(model.recommend(k=5))
    lists = model.recommend(histories=HISTORIES, k=5)
    assert alone.recommend(histories=HISTORIES, k=5).equals(lists)
    assert alone.lineage is not None
    assert len(alone.lineage.events) == len(train.train)
    assert alone.items.equals(model.items)
    with pytest.raises(p5rec.UserError, match=r"^users=\[...\]: expected a model with a data set"):
        alone.recommend(users=["u1"])


def test_new_users_by_their_histories(model: p5rec.Model) -> None:
    lists = model.recommend(histories=HISTORIES, k=5)
    own = {name: rows.drop("user") for (name,), rows in lists.group_by("user")}
    assert set(own) == {*HISTORIES}
    assert own["new"].equals(own["same"])  # a list depends on its request alone
    assert not {*HISTORIES["new"]} & {*own["new"]["item"]}
    assert len(own["empty"]) == 5
    assert model.recommend(histories=HISTORIES, k=3).equals(lists.filter(pl.col("rank") <= 3))
    seen = model.recommend(histories=[HISTORIES["new"]], k=24, exclude_seen=False)
    assert set(seen["user"]) == {"0"}
    assert len(seen) == 24
    assert not len(model.recommend(histories=[]))


def test_candidates_allow_and_deny(model: p5rec.Model, train: p5rec.Dataset) -> None:
    few = [f"A-{n}" for n in range(12)]
    plain = model.recommend(k=3, candidates=few)
    assert set(plain["item"]) <= {*few}
    top = {
        user: [item] for user, item, rank in plain["user", "item", "rank"].iter_rows() if rank == 1
    }
    less = model.recommend(k=3, candidates=few, deny=top)
    assert not less.join(plain.filter(pl.col("rank") == 1), on=["user", "item"]).height
    only = model.recommend(users=["u3"], k=24, allow={"u3": ["A-23", "A-22"]}, exclude_seen=False)
    assert set(only["item"]) == {"A-22", "A-23"}


ERRORS = {
    "an unknown user": ({"users": ["u1", "nobody"]}, "users, row 2: expected a known user, got"),
    "an unknown item": (
        {"histories": {"me": ["A-1", "A-99"]}},
        "histories, row me: expected a known item, got 'A-99'; did you mean",
    ),
    "an unknown candidate": (
        {"candidates": ["B-1"]},
        "candidates, row 1: expected a known item, got 'B-1'; did you mean",
    ),
    "a word for a list": ({"users": "u1"}, "users: expected a list of ids, got 'u1'; write ['u1']"),
    "candidates for each user": (
        {"candidates": {"u1": ["A-1"]}},
        "candidates: expected a list of ids, got a dict; write candidates=[...] for the whole "
        "call, or allow={user: [...]} for each user",
    ),
    "a frame of users": (
        {"users": pl.DataFrame({"user": ["u1"]})},
        "users: expected a list of ids, got a DataFrame; name one of its columns: users=frame[...]",
    ),
    "a frame of histories": (
        {"histories": pl.DataFrame({"item": ["A-1"]})},
        "histories: expected a list of item ids for each user, got a DataFrame; write [['A-17', "
        "'B-02'], ...] or {'u1': ['A-17', 'B-02']}, oldest first",
    ),
    "a single history": (
        {"histories": ["A-1", "A-2"]},
        "histories: expected a list of item ids for each user, got 'A-1'; write [['A-17'",
    ),
    "both": (
        {"users": ["u1"], "histories": [[]]},
        "recommend: expected users or histories, got both; name one",
    ),
    "no length": ({"k": 0}, "recommend: k: expected at least 1, got 0; set k"),
    "nothing left": (
        {"users": ["u1"], "candidates": []},
        "recommend: expected at least one allowed item for each user, got none for user "
        "'u1'; loosen",
    ),
    "a list for users": (
        {"users": ["u1"], "allow": ["A-1"]},
        "allow: expected user → items, got a list; write {user: [...]}, or candidates=[...]",
    ),
    "an unknown name": (
        {"users": ["u1"], "deny": {"U1": ["A-1"]}},
        "deny: expected users of this call, got 'U1'",
    ),
    "a library": ({"frame": "numpy"}, "frame: expected polars or pandas, got 'numpy'"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_of_recommend_are_one_line(name: str, ease: p5rec.Model) -> None:
    words, message = ERRORS[name]
    with pytest.raises(p5rec.UserError) as caught:
        ease.recommend(**words)
    (line,) = caught.value.lines
    assert line.startswith(message)


def test_ratings_of_pairs(train: p5rec.Dataset, ease: p5rec.Model) -> None:
    bias = p5rec.Bias(user_shrink=1.0, item_shrink=1.0).fit(train, verbose=False)
    pairs = pl.DataFrame({"user": ["u1", "u2", "u1"], "item": ["A-1", "A-2", "A-3"]})
    rated = bias.predict_rating(pairs)
    assert rated.columns == ["user", "item", "title", "rating"]
    assert rated.select("user", "item").equals(pairs)
    assert rated["rating"].is_between(1, 5).all()
    clicks = p5rec.ItemClickRate(smoothing=10.0).fit(train, verbose=False).predict_click(pairs)
    assert clicks["click"].is_between(0, 1).all()
    with pytest.raises(p5rec.UserError, match="expected a method that ranks items, got a bias"):
        bias.recommend(users=["u1"])
    with pytest.raises(
        p5rec.UserError, match="expected a method that predicts ratings, got a ease"
    ):
        ease.predict_rating(pairs)
    with pytest.raises(p5rec.UserError, match="predicts explanations"):
        ease.explain(pairs)
    with pytest.raises(p5rec.UserError, match="expected a column 'item', got none"):
        bias.predict_rating(pairs.drop("item"))


def test_a_folder_without_a_model_is_not_overwritten(ease: p5rec.Model, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(p5rec.UserError, match="expected a new folder, or a saved model's"):
        ease.save(tmp_path)
    with pytest.raises(p5rec.UserError, match="expected a fitted method's folder"):
        p5rec.load(tmp_path)


def test_every_method_is_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {METHODS.target(kind).partition(":")[2] for kind in METHODS}
    short = {"".join(map(str.capitalize, n.split("-"))) for n in RANKING if n not in METHODS}
    assert kinds | short | {"Hybrid"} <= {*p5rec.__all__}
    for name in kinds | short:
        assert getattr(p5rec, name).preset.kind in METHODS
    monkeypatch.setitem(METHODS._targets, "last-item", "methods.last_item:LastItem")
    assert p5rec.LastItem().config.kind == "last-item"


def test_settings_and_their_errors() -> None:
    assert p5rec.EaseRecency().config.tune["half_life"]
    assert p5rec.Ease(l2=5).config.tune == {}
    assert p5rec.Sasrec(width=32, tune={}, seed=2).seed == 2
    assert signature(p5rec.Ease).parameters["l2"].annotation is float
    assert "l2:" in str(p5rec.Ease.__doc__)
    assert signature(p5rec.Ease).parameters["tune"].default == METHODS.get("ease").grid
    with pytest.raises(p5rec.UserError) as caught:
        p5rec.Ease(halflife=1)
    message = "Ease: expected a known key, got 'halflife'; did you mean 'half_life'?"
    assert caught.value.lines == (message,)
    with pytest.raises(p5rec.UserError, match=r"^Hybrid: ids: expected a known key"):
        p5rec.Hybrid(ids={"level": 2})


def test_hybrid_is_the_shipped_config() -> None:
    tree, _ = read_tree(config_path("hybrid"))
    hybrid, methods = p5rec.Hybrid(), tree["methods"]
    network = METHODS.get("generative")(**methods["hybrid-network"])
    assert p5rec.HybridNetwork().config == network
    components = {**methods["hybrid"]["components"], "network": network.dump()}
    assert hybrid.config == METHODS.get("fusion")(**{**methods["hybrid"], "components": components})
    assert hybrid.ids is not None
    assert hybrid.ids.dump() == type(hybrid.ids)(**tree["ids"]["semantic"]).dump()


def test_seeds_equal_those_of_a_recipe(train: p5rec.Dataset) -> None:
    few = {"epochs": 1, "width": 8, "dropout": 0.0}
    first, second = (p5rec.Sasrec(seed=n, **few).fit(train, verbose=False) for n in (0, 1))
    assert first.fitted is not None
    assert second.fitted is not None
    assert second.fitted.seed == first.fitted.seed + 1
    assert first.folder != second.folder
    assert not first.recommend(k=3).equals(second.recommend(k=3))


def test_a_fit_can_be_initialised_from_a_model(train: p5rec.Dataset, tmp_path: Path) -> None:
    small = {**NETWORK, "ids": IDS}
    first = p5rec.HybridNetwork(**small).fit(train, verbose=False)
    longer = p5rec.HybridNetwork(start=first, **small).fit(train, verbose=False)
    first.save(tmp_path / "m")
    same = p5rec.HybridNetwork(start=tmp_path / "m", **small).fit(train, verbose=False)
    assert longer.recommend(k=3).equals(same.recommend(k=3))


def test_describe_and_repr(hybrid: p5rec.Model, ease: p5rec.Model) -> None:
    about = hybrid.describe()
    assert about["kind"] == "fusion"
    assert about["items"] == 24
    assert about["events_seen"] == 200
    assert repr(ease) == "Model(ease, 24 items)"
