"""A report whose own method is worse than another starts with a warning."""

from __future__ import annotations

from typing import Any

from p5rec.evaluate.schema import Comparison
from p5rec.report.markdown import page as markdown
from p5rec.report.page import page
from p5rec.report.phrases import outdone
from p5rec.report.terminal import table

EXPECTED = "On this data ease is better than mine: HR@10 .3000 against .1000. Take ease."


def against(b: str, value: float, verdict: str, metric: str = "HR@10", **more: Any) -> Comparison:
    fields = {"a": "mine", "task": "sequential", "split": "test"} | more
    return Comparison(
        b=b,
        metric=metric,
        value=value,
        low=value,
        high=value,
        uncorrected_verdict=verdict,
        sentence="",
        **fields,
    )


def test_the_warning_names_the_best_method_first(method, report, tmp_path):
    entries = [method(n, {"HR@10": v}) for n, v in (("mine", 0.1), ("knn", 0.2), ("ease", 0.3))]
    lost = [against("knn", -0.1, "worse"), against("ease", -0.2, "worse")]
    made = report(*entries, comparisons=lost)
    assert outdone(made) == EXPECTED
    assert table(made).splitlines()[0] == EXPECTED
    assert markdown(made).splitlines()[2] == f"**{EXPECTED}**"
    html = page(made, tmp_path)
    assert html.index(EXPECTED) < html.index("Findings" if "Findings" in html else "<main")


def test_no_warning_without_a_worse_verdict_of_the_first_method(method, report):
    entries = [method("mine", {"HR@10": 0.1}), method("ease", {"HR@10": 0.3})]
    for listed in (
        [against("ease", -0.2, "no difference shown")],
        [against("ease", -0.2, "worse", split="valid")],
        [against("ease", -0.2, "worse"), against("ease", 0.1, "better", "NDCG@10")],
        [against("ease", 0.2, "better"), against("ease", -0.2, "worse", a="part of mine")],
        [],
    ):
        assert outdone(report(*entries, comparisons=listed)) == ""
