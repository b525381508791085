"""Interference between task families: a Markdown table from a run's report.

    p5rec run families
    python scripts/interference.py runs/families

One row per family: its metric in the multitask model, in the single-task model with as many steps,
in the permutation control (targets permuted among prompts), and with a held-out prompt template,
with the ratio of held-out and training template.
"""

from __future__ import annotations

import sys
from pathlib import Path

from p5rec.evaluate.blocks import LOWER_IS_BETTER, main_metrics
from p5rec.evaluate.schema import Measure, Method, Report, load_report
from p5rec.models.config import RATING_SEQUENCE
from p5rec.prompting.template import HELD_OUT
from p5rec.report.numbers import bracket, number

RATING_ESTIMATORS = ("", "regression", "words")  # the best head, and the generated text
HEAD = (
    "family",
    "metric",
    "together",
    "alone",
    "permuted targets",
    "held-out template",
    "held-out/training",
)


def rows(report: Report) -> list[list[str]]:
    """One row per family; ratings have two, of the head and of the generated text."""
    results = []
    for together in report.methods:
        name, _, form = together.name.partition(" ")
        estimator, _, family = form.strip("()").partition(", ")
        skipped = together.task.endswith(HELD_OUT) or together.task == "sequential"
        if name != "together" or skipped or estimator not in RATING_ESTIMATORS:
            continue
        family, bare = family or together.task, f" ({estimator})" if estimator else ""
        others = [
            _entry(report, f"{family}-alone{bare}", together.task),
            _entry(report, together.name.replace(name, "permuted"), together.task),
            _entry(report, name + bare, together.task + HELD_OUT)
            if family != RATING_SEQUENCE
            else None,
        ]
        metric = main_metrics(together.task, together.metrics)[0]
        cells = [_cell(method, metric) for method in (together, *others)]
        results.append([family + bare, metric, *cells, _ratio(together, others[-1], metric)])
    return results


def _entry(report: Report, name: str, task: str) -> Method | None:
    return next((m for m in report.methods if (m.name, m.task) == (name, task)), None)


def _cell(method: Method | None, metric: str) -> str:
    measure = method.metrics.get(metric) if method else None
    return f"{number(measure.value)} {bracket(measure)}" if measure else "-"


def _ratio(trained: Method, held_out: Method | None, metric: str) -> str:
    before, after = (_value(m.metrics.get(metric)) if m else None for m in (trained, held_out))
    if not before or not after:
        return "-"
    return f"{before / after if metric in LOWER_IS_BETTER else after / before:.2f}"


def _value(measure: Measure | None) -> float | None:
    return measure.value if measure else None


def main() -> None:
    """Prints the table of the run in the given folder."""
    for cells in (HEAD, ["---"] * len(HEAD), *rows(load_report(Path(sys.argv[1])))):
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
