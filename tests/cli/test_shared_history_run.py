"""A run with shared histories, from a log to predictions of several things about a pair."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from commands import enter, figures, output_of, result

import p5rec as api

RECIPE = """
data: {source: table, path: log.csv, split: user-time,
       items: {path: items.csv, columns: {item: item, title: title, attributes: {genre: genre}}}}
ids: {semantic: {codebook: 4, vectors: {text: null, cooccurrence: {}}}}
baselines: []
methods:
  llm:
    backbone: {kind: scratch, width: 16, layers: 1, heads: 2, feedforward: 32, items: positions}
    train:
      steps: 6
      batch: 2
      precision: float32
      next_item: {window: 8}
      shared_history: {prompts: 6}
      tasks: {next-item: {}, rating-sequence: {}, rating: {}, sequential-yesno: {}, explanation: {}}
    decode: {max_new_tokens: 4, closed: true}
evaluate: {prompts: {rating: 9, rating-sequence: 9, sequential-yesno: 9, explanation: 4},
           held_out_templates: true, samples: 0}
"""


def write(folder: Path) -> None:
    """12 users with 10 rated events each, over 12 items with titles and genres."""
    rows = [
        {"user": f"u{user}", "item": f"i{(user + step) % 12}",
         "rating": 1.0 + (user + step) % 5, "time": 1_500_000_000 + step}
        for user in range(12) for step in range(10)
    ]  # fmt: skip
    pl.DataFrame(rows).write_csv(folder / "log.csv")
    items = [{"item": f"i{n}", "title": f"Book {n}", "genre": "ab"[n % 2]} for n in range(12)]
    pl.DataFrame(items).write_csv(folder / "items.csv")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    write(folder)
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, RECIPE, patch)
        output_of("run", "my.yaml")
    return folder


def test_every_task_is_measured_on_both_kinds_of_templates(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run)
    for task in ("sequential-yesno", "explanation"):
        for suffix in ("", ", held-out template"):
            assert figures("runs/my", task + suffix).keys() == {"llm"}
    assert any("(mean, rating)" in name for name in figures("runs/my", "rating"))


def test_a_loaded_model_predicts_several_things_at_once(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run)
    data = api.Dataset.from_frame(
        pl.read_csv("log.csv"), items=pl.read_csv("items.csv"), attributes=["genre"],
        user="user", item="item", time="time", rating="rating",
    )  # fmt: skip
    model = api.load("runs/my/models/llm", data)
    pairs = pl.DataFrame({"user": ["u1", "u1", "u7"], "item": ["i0", "i4", "i8"]})
    found = model.predict(pairs)
    assert found.columns == ["user", "item", "title", "rating", "click", "explanation"]
    alone = model.predict_rating(pairs)
    assert found["rating"].to_list() == pytest.approx(alone["rating"].to_list(), abs=1e-4)
    assert found["click"].is_between(0, 1).all()
    assert len(model.recommend(users=["u1"], k=3)) > 0


def test_it_is_planned(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)
    assert "llm" in output_of("plan", "my.yaml")


def test_data_with_several_behaviours_are_one_line(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run)
    log = pl.read_csv("log.csv").with_columns(kind=pl.lit("buy"))
    log = log.with_columns(kind=pl.when(pl.int_range(len(log)) % 3 == 0).then(pl.lit("view"))
                           .otherwise("kind"))  # fmt: skip
    log.write_csv("kinds.csv")
    behaviour = "data.behaviour={column: kind, targets: [buy]}"
    outcome = result("run", "my.yaml", "data.path=kinds.csv", behaviour, "name=kinds")
    message = "train.shared_history: expected data whose events are all of one kind"
    assert message in str(outcome.exception)
