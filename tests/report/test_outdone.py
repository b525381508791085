"""A run whose method is outdone says so before anything else, on every page."""

from __future__ import annotations

from typing import Any

from p5rec.evaluate.schema import Comparison
from p5rec.report.markdown import page as markdown
from p5rec.report.page import page
from p5rec.report.terminal import table
from p5rec.report.wording import outdone

SAID = "On this data ease is better than mine: HR@10 .3000 against .1000. Take ease."


def against(b: str, value: float, alone: str, metric: str = "HR@10", **more: Any) -> Comparison:
    told = {"a": "mine", "task": "sequential", "split": "test"} | more
    return Comparison(
        b=b, metric=metric, value=value, low=value, high=value, alone=alone, sentence="", **told
    )


def test_the_best_of_those_that_are_better_is_named_first(method, report, tmp_path):
    entries = [method(n, {"HR@10": v}) for n, v in (("mine", 0.1), ("knn", 0.2), ("ease", 0.3))]
    lost = [against("knn", -0.1, "worse"), against("ease", -0.2, "worse")]
    made = report(*entries, comparisons=lost)
    assert outdone(made) == SAID
    assert table(made).splitlines()[0] == SAID
    assert markdown(made).splitlines()[2] == f"**{SAID}**"
    html = page(made, tmp_path)
    assert html.index(SAID) < html.index("Findings" if "Findings" in html else "<main")


def test_nothing_is_said_without_a_shown_difference_of_the_first_method(method, report):
    entries = [method("mine", {"HR@10": 0.1}), method("ease", {"HR@10": 0.3})]
    for held in (
        [against("ease", -0.2, "no difference shown")],
        [against("ease", -0.2, "worse", split="valid")],
        [against("ease", -0.2, "worse"), against("ease", 0.1, "better", "NDCG@10")],
        [against("ease", 0.2, "better"), against("ease", -0.2, "worse", a="part of mine")],
        [],
    ):
        assert outdone(report(*entries, comparisons=held)) == ""
