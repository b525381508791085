"""Methods over runs that differ in their split alone: means and paired differences.

for seed in 0 1 2 3 4; do p5rec run clicks data.seed=$seed name=clicks-$seed; done
python scripts/over_splits.py runs/clicks-? --task click --base logistic

A row has a method's mean test metric, and its mean difference from the base with a 95 % interval:
Student's t over the paired differences, one for each run.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from p5rec.evaluate.schema import Report, load_report
from p5rec.report.markdown import table

LEVEL = 0.95


def values(report: Report, task: str, metric: str) -> dict[str, float]:
    """The test metric of each method of a run."""
    found = {}
    for method in report.methods:
        if (method.task, method.split) == (task, "test") and metric in method.metrics:
            value = method.metrics[metric].value
            assert value is not None, f"{method.name} has no {metric}"
            found[method.name] = value
    return found


def interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """The mean of n paired differences and its interval."""
    own = np.array(differences)
    reach = stats.t.ppf((1 + LEVEL) / 2, len(own) - 1) * own.std(ddof=1) / len(own) ** 0.5
    return float(own.mean()), float(own.mean() - reach), float(own.mean() + reach)


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--task", default="click")
    parser.add_argument("--metric", default="AUC")
    parser.add_argument("--base", default="logistic")
    options = parser.parse_args()
    if len(options.runs) < 2:
        parser.error("expected at least two runs")
    runs = [values(load_report(run), options.task, options.metric) for run in options.runs]
    rows = []
    for name in runs[0]:
        own = [run[name] for run in runs]
        each = " ".join(f"{value:.4f}" for value in own)
        difference = ""
        if name != options.base:
            mean, low, high = interval([run[name] - run[options.base] for run in runs])
            difference = f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]"
        rows.append([name, f"{np.mean(own):.4f}", each, difference])
    head = ["method", f"mean {options.metric}", "each run", f"difference from {options.base}"]
    print("\n".join(table(head, rows)))


if __name__ == "__main__":
    main()
