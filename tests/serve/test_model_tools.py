"""The tools of a served model."""

from __future__ import annotations

from typing import Any

import pytest

import p5rec
from p5rec.serve.model_tools import ServedModel

Call = Any


@pytest.fixture
def call(served: ServedModel) -> Call:
    return lambda name, **arguments: served.toolbox.call(name, arguments)


def test_lists_are_those_of_the_model(call: Call, served: ServedModel) -> None:
    rows = call("recommend_items", user="u1", k=5)
    assert rows == served.model.recommend(users=["u1"], k=5).drop("user").to_dicts()
    rows = call("recommend_items", history=["A-1", "A-8"], k=3, deny=["A-2"])
    own = served.model.recommend(histories=[["A-1", "A-8"]], k=3, deny={"0": ["A-2"]})
    assert [row["item"] for row in rows] == own["item"].to_list()


def test_wishes_and_conditions(call: Call) -> None:
    rows = call("recommend_items", user="u1", k=4, wish="no blue", where="colour <> 'green'")
    assert [row["understood"] for row in rows] == ["wish: no colour blue ('blue')"] * 4
    ids = [row["item"] for row in rows]
    assert {row["colour"] for row in call("lookup_catalog", ids=ids)} == {"red"}


def test_reasons_name_events_and_values_that_exist(call: Call, served: ServedModel) -> None:
    log, catalog = served.dataset.corpus.interactions, served.dataset.corpus.catalog
    for user in ("u1", "u5"):
        row = served.dataset.corpus.user_ids.index(user)
        own = {catalog.ids[i] for i in log.items[log.offsets[row] : log.offsets[row + 1]]}
        item = call("recommend_items", user=user, k=1)[0]["item"]
        (reason,) = call("explain_recommendation", user=user, item=item)
        records = call("lookup_catalog", ids=[item, *reason["items"]])
        assert {*reason["items"]} <= own
        assert {record["colour"] for record in records} == {reason["value"]}
        assert f"colour {reason['value']}, like " in reason["statement"]


def test_feedback_changes_the_next_list_and_makes_new_users(call: Call) -> None:
    with pytest.raises(p5rec.UserError, match="no events and no feedback"):
        call("recommend_items", user="new")
    item = call("recommend_items", user="u1", k=1)[0]["item"]
    call("record_feedback", user="u1", item=item, rating=4)
    call("record_feedback", user="new", item=item)
    assert item not in [row["item"] for row in call("recommend_items", user="u1", k=24)]
    assert len(call("recommend_items", user="new", k=5)) == 5
    with pytest.raises(p5rec.UserError, match="rating: expected 1 to 5, got 9"):
        call("record_feedback", user="u1", item=item, rating=9)
    with pytest.raises(p5rec.UserError, match="expected the id of an item, got 'B-1'"):
        call("record_feedback", user="u1", item="B-1")


def test_feedback_is_new_events_of_an_update(call: Call, served: ServedModel) -> None:
    item = call("recommend_items", user="u1", k=1)[0]["item"]
    call("record_feedback", user="u1", item=item, rating=5)
    log = p5rec.Dataset.from_frame(
        served.profiles.events_with_feedback(), served.dataset.items, attributes=["colour"],
        user="user", item="item", time="time", rating="rating",
    )  # fmt: skip
    updated = served.model.update(log, verbose=False)
    assert updated.provenance is not None
    assert updated.provenance.new_events == 1 + 80  # and the held-out events of the split
    assert item not in updated.recommend(users=["u1"], k=24)["item"].to_list()


def test_profiles_move_lists_and_the_wish_overrides_them(call: Call) -> None:
    def colours(**settings: Any) -> list[str]:
        ids = [row["item"] for row in call("recommend_items", user="u1", k=5, **settings)]
        return [row["colour"] for row in call("lookup_catalog", ids=ids)]

    call("edit_profile", user="u1", action="add", text="no blue")
    assert "blue" not in colours()
    assert "blue" in colours(wish="blue")
    (fact,) = [row for row in call("get_profile", user="u1") if row["source"] == "person"]
    call("edit_profile", user="u1", action="replace", fact=fact["fact"], text="only green")
    assert colours() == ["green"] * 5
    assert call("get_profile", user="u1", query="green things")[0]["text"] == "only green"
    call("edit_profile", user="u1", action="delete", fact="p2")
    assert call("get_profile", user="u1", query="green") == []


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("recommend_items", {}, "expected user or history, and not both"),
        ("recommend_items", {"user": "u1", "history": []}, "expected user or history"),
        ("edit_profile", {"user": "u1", "action": "delete"}, "expected a fact with replace"),
        ("edit_profile", {"user": "u1", "action": "add"}, "expected a text with add"),
        ("edit_profile", {"user": "u1", "action": "forget", "text": "a"}, "action: "),
        ("get_profile", {"user": "nobody"}, "nobody"),
    ],
)
def test_bad_arguments(call: Call, name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(p5rec.UserError, match=message):
        call(name, **arguments)
