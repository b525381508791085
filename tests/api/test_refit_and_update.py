"""Production models from Python: refit, update, and their provenance."""

from __future__ import annotations

import json
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from small_shop import ITEMS, SMALL, USERS, shop_events, shop_items
from torch import Tensor

import p5rec
from p5rec.ids.files import load_codes, load_item_ids
from p5rec.models.checkpoint import WEIGHTS, read_tensors

NEW = 6
COLUMNS = {"user": "customer", "item": "sku", "time": "bought_at", "rating": "stars"}


def tomorrow(gone: int = 0, each: int = 4) -> p5rec.Dataset:
    """A later log: six new customers, two new articles, and without ``gone`` old ones."""
    rows = [
        {
            "customer": f"n{user}" if user < NEW else f"u{user}",
            "sku": f"A-{20 + (user + step) % 6}",
            "bought_at": 1_700_900_000 + step * 86_400 + user,
            "stars": 5,
        }
        for user in range(NEW + 4)
        for step in range(each)
    ]
    later = pl.DataFrame(rows).with_columns(pl.from_epoch("bought_at", "s"))
    more = {"sku": ["A-24", "A-25"], "title": ["New", "Newer"], "colour": ["red", "blue"]}
    items = pl.concat([shop_items(), pl.DataFrame(more)])
    events = pl.concat([shop_events(), later.select(shop_events().columns)])
    removed = [f"A-{n}" for n in range(gone)]
    return p5rec.Dataset.from_frame(
        events.filter(~pl.col("sku").is_in(removed)),
        items.filter(~pl.col("sku").is_in(removed)),
        attributes=["colour"],
        **COLUMNS,
    )


def embeddings(model: p5rec.Model) -> dict[str, Tensor]:
    """The network's item embeddings, by item id."""
    folder = model.folder / "components" / "network"
    table = read_tensors(folder / WEIGHTS)["item_embeddings"]
    return dict(zip(load_item_ids(folder / "codes"), table, strict=True))


def codes(model: p5rec.Model) -> dict[str, list[int]]:
    folder = model.folder / "codes"
    return dict(zip(load_item_ids(folder), load_codes(folder).codes.tolist(), strict=True))


@pytest.fixture(scope="module")
def refitted(train: p5rec.Dataset) -> p5rec.Model:
    fusion = {**SMALL, "weights": {"network": 1.0, "ease": 0.5}}
    return p5rec.Hybrid(**fusion).fit(train, verbose=False).refit(verbose=False)


@pytest.fixture(scope="module")
def updated(refitted: p5rec.Model) -> p5rec.Model:
    return refitted.update(tomorrow(gone=1), verbose=False)


def test_an_update_continues_from_the_earlier_model(
    refitted: p5rec.Model, updated: p5rec.Model
) -> None:
    about = updated.describe()["provenance"]
    assert about["fitted"]["network"] == {"fitted": "from an earlier model", "epochs": 1}
    assert about["fitted"]["ease"] == {"fitted": "anew"}
    assert (about["new_users"], about["new_items"], about["gone_items"]) == (NEW, 2, 1)
    assert about["before"] == refitted.provenance.events
    assert [each["operation"] for each in about["earlier"]] == ["refit"]
    assert {*updated.news.users} == {f"n{n}" for n in range(NEW)}
    assert {*updated.news.items} == {"A-24", "A-25"}
    assert updated.news.gone == ("A-0",)
    assert updated.news.lines()[1].startswith("1 items left the catalogue")
    # weights of the fusion stay; so do the codes of old items
    assert updated.method.weights == refitted.method.weights
    old, new = codes(refitted), codes(updated)
    assert new.keys() == old.keys() - {"A-0"} | {"A-24", "A-25"}
    assert all(new[item] == old[item] for item in new.keys() & old.keys())
    assert len({*map(tuple, new.values())}) == len(new)
    # embeddings have changed, but little: a new initialisation would change them more
    before, after = embeddings(refitted), embeddings(updated)
    moved = [float((after[item] - before[item]).norm()) for item in new.keys() & old.keys()]
    assert 0 < np.mean(moved) < 0.5 * np.mean([float(own.norm()) for own in before.values()])
    assert all(float(after[item].norm()) > 0 for item in ("A-24", "A-25"))
    lists = updated.recommend(users=["n0"], histories=None, k=5)
    assert len(lists) == 5
    assert len(updated.recommend(histories=[["A-24"]], k=ITEMS)) == ITEMS


def test_a_saved_model_is_updated_as_well(
    refitted: p5rec.Model, updated: p5rec.Model, tmp_path: Path
) -> None:
    refitted.save(tmp_path / "m")
    loaded = p5rec.load(tmp_path / "m")
    assert loaded.provenance == refitted.provenance
    again = loaded.update(tomorrow(gone=1), verbose=False)
    histories = [["A-3", "A-9"], ["A-25"]]
    lists = [model.recommend(histories=histories, k=5) for model in (again, updated)]
    assert lists[0].equals(lists[1])
    again.save(tmp_path / "m")  # in its place
    assert json.loads((tmp_path / "m" / "news.json").read_text())["gone"] == ["A-0"]
    after = p5rec.load(tmp_path / "m")
    assert after.news == updated.news
    with pytest.raises(p5rec.UserError, match="update: expected events that the model was not"):
        after.update(tomorrow(gone=1))
    # epochs of the next update are a share of a complete training, not of the last update
    more = after.update(tomorrow(each=5), share=1.0, verbose=False).provenance
    assert more.fitted["network"] == {"fitted": "from an earlier model", "epochs": 1}
    refit = after.refit(tomorrow(), verbose=False)
    assert refit.provenance.fitted["network"]["fitted"] == "anew"
    assert [each["operation"] for each in refit.provenance.earlier] == ["refit", "update"]


@pytest.mark.parametrize(
    ("model", "fact"),
    [
        (
            p5rec.Sasrec(width=8, epochs=5, tune={}),
            {"fitted": "from an earlier model", "epochs": 1},
        ),
        (p5rec.Bpr(factors=4, epochs=2, tune={}), {"fitted": "anew"}),
        (p5rec.Ease(tune={}), {"fitted": "anew"}),
        (p5rec.ItemMean(), {"fitted": "anew"}),
    ],
)
def test_an_update_continues_or_fits_from_scratch(
    model: p5rec.Estimator, fact: dict[str, object], train: p5rec.Dataset
) -> None:
    now = model.fit(train, verbose=False).update(tomorrow(), verbose=False)
    assert now.provenance.fitted.items() >= fact.items()
    assert now.lineage.contains(tomorrow().corpus.interactions.event_keys).all()
    assert len(now.items) == ITEMS + 2


def test_a_model_of_all_events_is_not_evaluated(updated: p5rec.Model) -> None:
    data = tomorrow(gone=1).split()
    with pytest.raises(
        p5rec.UserError, match="expected a model that was not fitted to the held-out"
    ):
        p5rec.evaluate(updated, data)
    found = p5rec.evaluate({"u": updated}, data, allow_seen=True)
    assert any(note.startswith("u was updated on 20") for note in found.report.notes)
    assert found.report.manifest["provenance"]["u"][0]["new_users"] == NEW
    with pytest.raises(p5rec.UserError, match="expected a rule that holds out events for eval"):
        p5rec.evaluate(updated, tomorrow(gone=1).split("all"))


def test_all_events_train_under_the_rule_all(train: p5rec.Dataset) -> None:
    data = tomorrow().split("all")
    assert len(data.train) == len(data.events)
    assert len(data.valid) == len(data.test) == 0
    assert len(train.users) == USERS


def test_an_older_model_is_evaluated_on_later_events(
    refitted: p5rec.Model, updated: p5rec.Model
) -> None:
    after = tomorrow(each=6)
    data = after.split("time", test_from="2023-11-29")
    assert len(data.test) == len(after.events) - len(tomorrow().events)
    with pytest.raises(p5rec.UserError, match=r"old: .*: expected the 24 items it was fitted"):
        p5rec.evaluate({"old": refitted, "new": updated}, data)
    ease = p5rec.Ease(tune={}).fit(data, verbose=False)
    models = {"old": refitted, "new": updated, "ease": ease}
    found = p5rec.evaluate(models, data, other_items=True)
    assert {*found.table()["n"]} == {NEW + 4}
    assert "old knows 24 of the 26 items: its histories skip the others" in found.report.notes[0]
    with pytest.raises(p5rec.UserError, match="test_from: expected a time, got 'soon'; write it"):
        after.split("time", test_from="soon")
    assert after.split("time", test_from=date(2023, 11, 29)).config == data.config
    with pytest.raises(p5rec.UserError, match="test_from: expected the split time, got leave-one-"):
        after.split(test_from="2024-01-01")


def test_a_frame_is_refused_as_data_set(updated: p5rec.Model) -> None:
    for call in (updated.update, p5rec.Ease().fit, partial(p5rec.evaluate, updated)):
        with pytest.raises(
            p5rec.UserError, match=r"expected a p5rec.Dataset, got a DataFrame; make"
        ):
            call(pl.DataFrame({"user": [1]}))
