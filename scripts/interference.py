"""Task families together and each by itself, from a run's report, as a Markdown table.

    p5rec run families
    python scripts/interference.py runs/families

A row a family: its metric in the model that learned all families, in the one that learned it alone
for as many steps, in the one whose answers were dealt out among the questions, and in a wording
that no training row had, with how far that is from the seen one.
"""

from __future__ import annotations

import sys
from pathlib import Path

from p5rec.evaluate.blocks import LOWER_IS_BETTER, main_metrics
from p5rec.evaluate.schema import Measure, Method, Report, load_report
from p5rec.models.config import RATING_SEQUENCE
from p5rec.prompting.template import UNSEEN
from p5rec.report.numbers import bracket, number

READINGS = ("", "regression", "words")  # of a rating: the best of the heads', and of the text's
HEAD = (
    "family",
    "metric",
    "together",
    "alone",
    "permuted answers",
    "unseen wording",
    "unseen/seen",
)


def rows(report: Report) -> list[list[str]]:
    """A row a family; a rating has two, by its head and by its words."""
    found = []
    for together in report.methods:
        name, _, form = together.name.partition(" ")
        reading, _, family = form.strip("()").partition(", ")
        skipped = together.task.endswith(UNSEEN) or together.task == "sequential"
        if name != "together" or skipped or reading not in READINGS:
            continue
        family, bare = family or together.task, f" ({reading})" if reading else ""
        others = [
            _entry(report, f"{family}-alone{bare}", together.task),
            _entry(report, together.name.replace(name, "permuted"), together.task),
            _entry(report, name + bare, together.task + UNSEEN)
            if family != RATING_SEQUENCE
            else None,
        ]
        metric = main_metrics(together.task, together.metrics)[0]
        cells = [_cell(method, metric) for method in (together, *others)]
        found.append([family + bare, metric, *cells, _ratio(together, others[-1], metric)])
    return found


def _entry(report: Report, name: str, task: str) -> Method | None:
    return next((m for m in report.methods if (m.name, m.task) == (name, task)), None)


def _cell(method: Method | None, metric: str) -> str:
    measure = method.metrics.get(metric) if method else None
    return f"{number(measure.value)} {bracket(measure)}" if measure else "-"


def _ratio(seen: Method, unseen: Method | None, metric: str) -> str:
    before, after = (_value(m.metrics.get(metric)) if m else None for m in (seen, unseen))
    if not before or not after:
        return "-"
    return f"{before / after if metric in LOWER_IS_BETTER else after / before:.2f}"


def _value(measure: Measure | None) -> float | None:
    return measure.value if measure else None


def main() -> None:
    """Prints the table of the run in the folder named."""
    for cells in (HEAD, ["---"] * len(HEAD), *rows(load_report(Path(sys.argv[1])))):
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
