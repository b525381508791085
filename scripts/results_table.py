"""Chosen methods over the runs of several logs: a Markdown table, one column a run.

python scripts/results_table.py runs/logs-ml-100k runs/logs-beauty --metric NDCG@10

A cell has the test metric with its 95 % interval (the mean over seeds if a run has several). The
best value of a column is bold.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from p5rec.evaluate.schema import Report, load_report
from p5rec.report.markdown import table

METHODS = ("hybrid", "sasrec", "ease", "popularity")


def cells(report: Report, name: str, metric: str) -> tuple[float, str]:
    """The figure of a method's ranked lists on test, and the cell."""
    (value,) = (
        method.metrics[metric]
        for method in report.methods
        if method.name == name and method.split == "test" and metric in method.metrics
    )
    assert value.value is not None
    return value.value, f"{value.value:.4f} [{value.low:.4f}, {value.high:.4f}]".replace("0.", ".")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--metric", default="NDCG@10")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    options = parser.parse_args()

    reports = [load_report(run) for run in options.runs]
    columns = []
    for report in reports:
        figures = {name: cells(report, name, options.metric) for name in options.methods}
        best = max(figures, key=lambda name: figures[name][0])
        columns.append(
            [f"**{cell}**" if name == best else cell for name, (_, cell) in figures.items()]
        )
    head = [options.metric, *(run.name for run in options.runs)]
    rows = [
        [name, *line]
        for name, line in zip(options.methods, zip(*columns, strict=True), strict=True)
    ]
    print("\n".join(table(head, rows)))


if __name__ == "__main__":
    main()
