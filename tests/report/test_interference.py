"""The table of multi-task and single-task training, from a report."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

from p5rec.evaluate.schema import Method, Report
from p5rec.prompting.template import HELD_OUT

ROOT = Path(__file__).parents[2]
ROWS = runpy.run_path(str(ROOT / "scripts" / "interference.py"))["rows"]


def test_each_family_is_matched_by_method_names(
    method: Callable[..., Method], report: Callable[..., Report]
) -> None:
    def rated(name: str, value: float, task: str = "rating") -> Method:
        return method(name, {"RMSE": value}, task)

    found = ROWS(
        report(
            method("together", {"HR@10": 0.9}),  # ranked lists of all users are no prompt family
            method("together", {"HR@10": 0.2}, "direct"),
            method("direct-alone", {"HR@10": 0.1}, "direct"),
            method("together", {"HR@10": 0.15}, f"direct{HELD_OUT}"),
            rated("together (words, rating)", 1.0),
            rated("together (class, rating)", 1.1),
            rated("permuted (words, rating)", 1.2),
            rated("rating-alone (words)", 1.3),
            rated("together (words)", 1.25, f"rating{HELD_OUT}"),
            rated("together (words, rating-sequence)", 0.9),
        )
    )
    assert [[cell.split(" [")[0] for cell in row] for row in found] == [
        ["direct", "HR@10", ".2000", ".1000", "-", ".1500", "0.75"],
        ["rating (words)", "RMSE", "1.0000", "1.3000", "1.2000", "1.2500", "0.80"],
        ["rating-sequence (words)", "RMSE", ".9000", "-", "-", "-", "-"],
    ]
