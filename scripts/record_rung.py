"""Records a rung of a system from a committed report: G2 against a control, G3 against the paper.

python scripts/record_rung.py semantic-ids G2 docs/experiments/results/ids \\
    --compare rq-all permuted --task sequential --metric HR@10 \\
    --claim "learned ids beat permuted ids"

The rung is docs/results/SYSTEM/RUNG.json. It passed if the first method is better, after the
report's correction for several comparisons if it has one. The smallest detectable difference is 2.8
standard errors of the same difference on validation, if the report has it.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from p5rec.core.artefacts import write_json
from p5rec.core.errors import UserError, did_you_mean, input_error
from p5rec.core.paths import PACKAGE, RESULTS
from p5rec.evaluate.blocks import LOWER_IS_BETTER
from p5rec.evaluate.schema import Comparison, Report, load_report
from p5rec.report.rungs import Rung
from p5rec.report.systems import SYSTEMS

DETECTABLE = 2.8  # standard errors: 1.96 of the interval, and 0.84 for 80 % of test sets
BOUNDS = 2 * 1.96  # standard errors between the bounds of an interval
Pair = tuple[str, str]


def measured(report: Report, pair: Pair, task: str, metric: str) -> dict[str, Any]:
    """The numbers of a rung from a named comparison, and whether it passed.

    Args:
        pair: the method of the claim, and the one that it is compared with.
        task: the task of the comparison, e.g. ``sequential``.
        metric: one of its metrics, e.g. ``HR@10``.

    Raises:
        UserError: the report has no such comparison on test.
    """
    names = {_name(c): c for c in report.comparisons if c.split == "test"}
    name = " | ".join((*pair, task, metric))
    if name not in names:
        todo = did_you_mean(name, names)
        raise input_error("--compare", "a comparison of the report", name, todo)
    comparison = names[name]
    return {
        "passed": _better(comparison),
        "metric": metric,
        "value": comparison.value,
        "low": comparison.low,
        "high": comparison.high,
        "detectable": _detectable(report, name),
    }


def _name(comparison: Comparison) -> str:
    return " | ".join((comparison.a, comparison.b, comparison.task, comparison.metric))


def _better(comparison: Comparison) -> bool:
    if comparison.low is None or comparison.high is None:
        return False
    lower = comparison.metric in LOWER_IS_BETTER
    shown = comparison.high < 0 if lower else comparison.low > 0
    return shown and comparison.verdict in (None, "better")


def _detectable(report: Report, name: str) -> float | None:
    """2.8 standard errors of the comparison ``name`` on validation; None where it is unknown."""
    for c in report.comparisons:
        if (_name(c), c.split) == (name, "valid") and c.low is not None and c.high is not None:
            return DETECTABLE / BOUNDS * (c.high - c.low)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("system", choices=[system.name for system in SYSTEMS])
    parser.add_argument("rung", choices=["G2", "G3"])
    parser.add_argument("report", type=Path, help="folder of a committed report")
    parser.add_argument("--compare", nargs=2, required=True, metavar=("METHOD", "OTHER"))
    parser.add_argument("--task", required=True)
    parser.add_argument("--metric", required=True)
    parser.add_argument("--claim", required=True, help="a sentence without a full stop")
    parser.add_argument("--command", help="default: p5rec run NAME, with the name of the config")
    options = parser.parse_args()

    folder = options.report.resolve()
    if not folder.is_relative_to(PACKAGE.parent / "docs"):
        raise SystemExit(f"{folder}: expected a folder in docs/; commit the report there first")
    try:
        report = load_report(folder)
        numbers = measured(report, tuple(options.compare), options.task, options.metric)
    except UserError as error:
        raise SystemExit(str(error)) from None
    rung = Rung(
        **numbers,
        rung=options.rung,
        claim=options.claim,
        command=options.command or f"p5rec run {report.manifest['config']['name']}",
        source={
            "report": folder.relative_to(PACKAGE.parent).as_posix(),
            "compare": options.compare,
            "task": options.task,
            "metric": options.metric,
        },
    )
    write_json(RESULTS / options.system / f"{options.rung}.json", asdict(rung))


if __name__ == "__main__":
    main()
