"""Zero-shot, few-shot and fine-tuned methods side by side: cost columns and learning curves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from p5rec.evaluate.blocks import blocks
from p5rec.evaluate.cost import COLUMNS, cost_columns, costs, full_data_method, learning_curves
from p5rec.evaluate.schema import Method, Report
from p5rec.methods.generative.method import Generative
from p5rec.report.data_curve import apart, draw
from p5rec.report.markdown import page
from p5rec.report.numbers import cost_cell


def config(steps: int, shots: int = 0, users: float = 1.0) -> Generative:
    return Generative.model_validate(
        {"train": {"steps": steps, "users": users}, "prompts": {"shots": shots}}
    )


METHODS = {
    "zero": config(0), "one": config(0, 1), "five": config(0, 5), "all": config(9),
    "half": config(9, users=0.5), "tenth": config(9, users=0.1), "other": config(8, users=0.1),
}  # fmt: skip


def test_training_data_are_described_in_words() -> None:
    described = {name: method.trained_on for name, method in METHODS.items()}
    assert described["zero"] == "nothing"
    assert described["one"] == "1 example"
    assert described["five"] == "5 examples"
    assert described["all"] == "the training events"
    assert described["tenth"] == "those of 0.1 of the users"


def test_a_share_belongs_to_the_same_config_on_all_users() -> None:
    assert [full_data_method(name, METHODS) for name in ("all", "half", "tenth")] == ["all"] * 3
    assert full_data_method("other", METHODS) == "other"


@pytest.fixture
def compared(method: Callable[..., Method], report: Callable[..., Report]) -> Report:
    def entry(name: str, value: float, users: float, of: str) -> Method:
        about = {
            "trained_on": METHODS[of].trained_on,
            "user_share": users,
            "full_data_method": "all",
        }
        return method(
            name, {"RMSE": value}, "rating", about=about, other_metrics={"tokens_per_prompt": 123.4}
        )

    return report(
        entry("all (words)", 1.0, 1.0, "all"),
        entry("half (words)", 1.1, 0.5, "half"),
        entry("tenth (words)", 1.3, 0.1, "tenth"),
        entry("tenth (text)", 1.4, 0.1, "tenth"),
        entry("zero (words)", 1.5, 1.0, "zero"),
        method("item-mean", {"RMSE": 1.2}, "rating"),
    )


def test_tables_have_training_data_and_cost_of_a_prediction(compared: Report) -> None:
    (block,) = blocks(compared)
    assert cost_columns(block) == ("trained on", "tokens/prompt", "s/prediction")
    assert [*map(cost_cell, costs(block.methods[0], cost_columns(block)))] == [
        "the training events",
        "123",
        "0.12",
    ]
    text = page(compared)
    assert "| trained on | tokens/prompt | s/prediction |" in text
    assert "| nothing | 123 |" in text
    assert "| item-mean | the training events | - | 0.12 |" in text


def test_equal_training_data_are_no_column(
    method: Callable[..., Method], report: Callable[..., Report]
) -> None:
    other_metrics = {"tokens_per_prompt": 50.0}
    (block,) = blocks(report(method("a", {"RMSE": 1.0}, "rating", other_metrics=other_metrics)))
    assert cost_columns(block) == ("tokens/prompt", "s/prediction")
    assert [*map(cost_cell, costs(block.methods[0], cost_columns(block)))] == ["50", "0.12"]
    other_metrics["requests_per_prediction"] = 2.0
    (asked,) = blocks(report(method("a", {"RMSE": 1.0}, "rating", other_metrics=other_metrics)))
    assert cost_columns(asked) == COLUMNS[1:]
    assert [*map(cost_cell, costs(asked.methods[0], COLUMNS[1:]))] == ["2", "50", "0.12"]
    (bare,) = blocks(report(method("a", {"RMSE": 1.0}, "rating")))
    assert cost_columns(bare) == ()


def test_a_curve_joins_the_shares_of_one_estimator(compared: Report, tmp_path: Path) -> None:
    (block,) = blocks(compared)
    found = learning_curves(block)
    assert {name: list(curve) for name, curve in found.items()} == {"all (words)": [0.1, 0.5, 1.0]}
    assert draw(compared, tmp_path / "data.png")
    assert (tmp_path / "data.png").stat().st_size > 5000


def test_close_lines_share_a_label() -> None:
    lines = {"b": 0.11, "a": 0.1, "far": 0.5, "c": 0.115, "d": 0.1}
    assert apart(lines, 0.02) == [("a, d, 2 more", pytest.approx(0.10625)), ("far", 0.5)]


def test_without_shares_of_users_nothing_is_drawn(
    method: Callable[..., Method], report: Callable[..., Report], tmp_path: Path
) -> None:
    assert not draw(report(method("a", {"HR@10": 0.1})), tmp_path / "data.png")
    assert not (tmp_path / "data.png").exists()
