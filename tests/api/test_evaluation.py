from __future__ import annotations

from inspect import signature
from pathlib import Path

import polars as pl
import pytest
from small_shop import shop, shop_events, shop_items

import p5rec
from p5rec.evaluate.schema import load_report


def test_a_report_of_models(
    hybrid: p5rec.Model, ease: p5rec.Model, train: p5rec.Dataset, tmp_path: Path
) -> None:
    evaluation = p5rec.evaluate(
        {"hybrid": hybrid, "ease": ease}, train, compare=[("hybrid", "ease")], k=10
    )
    table = evaluation.table(intervals=True)
    assert set(table["method"]) == {"hybrid", "ease"}
    assert {"NDCG@10", "NDCG@10 low", "NDCG@10 high"} <= {*table.columns}
    assert evaluation.comparisons["metric"].to_list() == ["HR@10", "NDCG@10"]
    assert evaluation.compare("ease", "hybrid")["a"][0] == "ease"
    assert evaluation.plot()._repr_png_().startswith(b"\x89PNG")
    assert "<pre>" in evaluation._repr_html_()
    evaluation.save(tmp_path / "out")
    assert load_report(tmp_path / "out").methods == evaluation.report.methods
    with pytest.raises(p5rec.UserError, match="compare: expected a method, got 'sasrec'"):
        evaluation.compare("hybrid", "sasrec")


def test_loaded_and_fitted_models_have_the_same_metrics(
    ease: p5rec.Model, train: p5rec.Dataset, tmp_path: Path
) -> None:
    ease.save(tmp_path / "m")
    one, other = (
        p5rec.evaluate(model, train, on="valid").table()
        for model in (ease, p5rec.load(tmp_path / "m"))
    )
    assert one.equals(other)


@pytest.mark.parametrize("pandas", [False, True])
def test_lists_from_a_frame(ease: p5rec.Model, train: p5rec.Dataset, pandas: bool) -> None:
    """The frame of a model's lists has the metrics of the model."""
    seen = {user: rows["item"].to_list() for (user,), rows in train.events.filter(
        pl.col("split") != "test").group_by("user")}  # fmt: skip
    lists = ease.recommend(histories=seen, k=10).drop("title")
    if pandas:
        pytest.importorskip("pandas")
        lists = lists.to_pandas()
    evaluation = p5rec.evaluate(
        {"mine": lists, "ease": ease}, train, compare=[("mine", "ease")], k=10
    )
    table = evaluation.table().drop("method")
    assert table[0].equals(table[1])
    assert set(evaluation.comparisons["value"]) == {0.0}
    few = p5rec.evaluate({"mine": lists[lists["user"] == "u1"] if pandas else lists[:10]}, train)
    assert few.report.notes[0].startswith("mine: 39 of 40 users have no list in mine; each counts")
    again = ease.recommend(k=10, exclude_seen=False)
    with pytest.raises(
        p5rec.UserError, match=r"got again with .* and ease without; set exclude_seen=F"
    ):
        p5rec.evaluate({"again": again, "ease": ease}, train)
    both = p5rec.evaluate({"again": again, "mine": lists, "ease": ease}, train, exclude_seen=False)
    assert not both.report.protocol.exclude_seen
    with pytest.raises(p5rec.UserError, match=r"^mine: expected a column 'rank', got none"):
        p5rec.evaluate(
            {"mine": lists.drop(columns="rank") if pandas else lists.drop("rank")}, train
        )
    with pytest.raises(p5rec.UserError, match=r"^mine: expected a frame"):
        p5rec.evaluate({"mine": "lists.csv"}, train)


def test_several_seeds_are_reported_as_their_mean(train: p5rec.Dataset) -> None:
    few = {"epochs": 1, "width": 8, "dropout": 0.0}
    runs = [p5rec.Sasrec(seed=n, **few).fit(train, verbose=False) for n in (0, 1)]
    report = p5rec.evaluate({"sasrec": runs}, train).report
    assert len(report.methods[0].by_seed["NDCG@10"]) == 2
    assert report.protocol.seeds == [0, 1]


def test_a_model_fitted_to_held_out_events_is_refused(train: p5rec.Dataset) -> None:
    """A model of another split was fitted to events of this held-out split."""
    other = shop().split("time")
    ease = p5rec.Ease(l2=10.0).fit(other, verbose=False)
    seen = other.train.join(train.valid, on=["user", "item", "time"]).height
    assert seen
    p5rec.evaluate({"ease": ease}, other)
    with pytest.raises(p5rec.UserError) as caught:
        p5rec.evaluate({"ease": ease}, train, "valid")
    (line,) = caught.value.lines
    assert f"fitted to {seen} of the {len(train.valid)} valid events" in line
    evaluation = p5rec.evaluate({"ease": ease}, train, "valid", allow_seen=True)
    assert any(f"fitted to {seen} of" in note for note in evaluation.report.notes)


def test_prompts_select_the_rating_task(train: p5rec.Dataset) -> None:
    bias = p5rec.Bias(user_shrink=1.0, item_shrink=1.0).fit(train, verbose=False)
    table = p5rec.evaluate({"bias": bias}, train, prompts={"rating": 20}).table()
    assert "bias" in table["method"].to_list()
    assert "global-mean" in table["method"].to_list()  # the reference baseline
    with pytest.raises(p5rec.UserError, match="expected a model that ranks, or prompts="):
        p5rec.evaluate({"bias": bias}, train)


def test_models_with_other_items_are_refused(ease: p5rec.Model) -> None:
    fewer = shop_events().filter(pl.col("sku") != "A-3")
    other = p5rec.Dataset.from_frame(
        fewer, shop_items(), user="customer", item="sku", time="bought_at"
    ).split()
    with pytest.raises(p5rec.UserError, match=r"^ease: .*the 24 items it was fitted to"):
        p5rec.evaluate({"ease": ease}, other, allow_seen=True)


def test_compare_pairs_the_first_with_the_others(
    hybrid: p5rec.Model, ease: p5rec.Model, train: p5rec.Dataset
) -> None:
    evaluation = p5rec.compare({"hybrid": hybrid, "ease": ease}, train)
    assert evaluation["b"].to_list() == ["ease", "ease"]


def test_an_audit_finds_a_planted_leak() -> None:
    assert not p5rec.audit(shop().split()).leaks
    events = shop_events()
    twice = p5rec.Dataset.from_frame(
        pl.concat([events, events]), user="customer", item="sku", time="bought_at", dedupe="none"
    )
    evaluation = p5rec.audit(twice.split())
    assert len(evaluation)
    assert evaluation.table().columns == ["severity", "check", "sentence"]
    assert evaluation.findings[0].sentence[:20] in evaluation._repr_html_()


def test_audit_and_evaluate_are_functions_and_packages() -> None:
    import p5rec.audit.checks as checks
    import p5rec.evaluate.measure as measure

    assert callable(p5rec.audit)
    assert [*signature(p5rec.evaluate).parameters][:3] == ["models", "data", "on"]
    assert p5rec.audit.checks is checks
    assert p5rec.evaluate.measure is measure
