"""Untaught, shown examples and fine-tuned side by side: what the tables and the curve tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from p5rec.evaluate.blocks import blocks
from p5rec.evaluate.footing import COLUMNS, columns, curves, footing, whole
from p5rec.evaluate.schema import Method, Report
from p5rec.methods.generative.method import Generative
from p5rec.report.data_curve import apart, draw
from p5rec.report.markdown import page
from p5rec.report.numbers import footing_cell


def config(steps: int, shots: int = 0, users: float = 1.0) -> Generative:
    return Generative.model_validate(
        {"train": {"steps": steps, "users": users}, "prompts": {"shots": shots}}
    )


METHODS = {
    "zero": config(0), "one": config(0, 1), "five": config(0, 5), "all": config(9),
    "half": config(9, users=0.5), "tenth": config(9, users=0.1), "other": config(8, users=0.1),
}  # fmt: skip


def test_what_was_learned_from_is_said_in_words() -> None:
    told = {name: method.learned for name, method in METHODS.items()}
    assert told["zero"] == "nothing"
    assert told["one"] == "1 example"
    assert told["five"] == "5 examples"
    assert told["all"] == "the training events"
    assert told["tenth"] == "those of 0.1 of the users"


def test_a_share_belongs_to_the_method_that_differs_in_nothing_else() -> None:
    assert [whole(name, METHODS) for name in ("all", "half", "tenth")] == ["all"] * 3
    assert whole("other", METHODS) == "other"


@pytest.fixture
def compared(method: Callable[..., Method], report: Callable[..., Report]) -> Report:
    def entry(name: str, value: float, users: float, of: str) -> Method:
        about = {"learned": METHODS[of].learned, "users": users, "whole": "all"}
        return method(
            name, {"RMSE": value}, "rating", about=about, beside={"tokens_per_question": 123.4}
        )

    return report(
        entry("all (words)", 1.0, 1.0, "all"),
        entry("half (words)", 1.1, 0.5, "half"),
        entry("tenth (words)", 1.3, 0.1, "tenth"),
        entry("tenth (text)", 1.4, 0.1, "tenth"),
        entry("zero (words)", 1.5, 1.0, "zero"),
        method("item-mean", {"RMSE": 1.2}, "rating"),
    )


def test_tables_tell_what_was_learned_from_and_what_an_answer_costs(compared: Report) -> None:
    (block,) = blocks(compared)
    assert columns(block) == COLUMNS
    assert [*map(footing_cell, footing(block.methods[0], COLUMNS))] == [
        "the training events",
        "123",
        "0.12",
    ]
    text = page(compared)
    assert "| learned from | tokens | s an answer |" in text
    assert "| nothing | 123 |" in text
    assert "| item-mean | the training events | - | 0.12 |" in text


def test_what_all_learned_from_alike_is_no_column(
    method: Callable[..., Method], report: Callable[..., Report]
) -> None:
    beside = {"tokens_per_question": 50.0}
    (block,) = blocks(report(method("a", {"RMSE": 1.0}, "rating", beside=beside)))
    assert columns(block) == ("tokens", "s an answer")
    assert [*map(footing_cell, footing(block.methods[0], columns(block)))] == ["50", "0.12"]
    (bare,) = blocks(report(method("a", {"RMSE": 1.0}, "rating")))
    assert columns(bare) == ()


def test_a_curve_joins_the_shares_of_one_reading(compared: Report, tmp_path: Path) -> None:
    (block,) = blocks(compared)
    found = curves(block)
    assert {name: list(curve) for name, curve in found.items()} == {"all (words)": [0.1, 0.5, 1.0]}
    assert draw(compared, tmp_path / "data.png")
    assert (tmp_path / "data.png").stat().st_size > 5000


def test_labels_of_lines_that_are_near_are_one() -> None:
    lines = {"b": 0.11, "a": 0.1, "far": 0.5, "c": 0.115, "d": 0.1}
    assert apart(lines, 0.02) == [("a, d, 2 more", pytest.approx(0.10625)), ("far", 0.5)]


def test_nothing_is_drawn_where_all_learned_from_all(
    method: Callable[..., Method], report: Callable[..., Report], tmp_path: Path
) -> None:
    assert not draw(report(method("a", {"HR@10": 0.1})), tmp_path / "data.png")
    assert not (tmp_path / "data.png").exists()
