"""Records a rung of a system from a committed report: G2 against a control, G3 against the paper.

python scripts/record_rung.py kar G2 docs/results/kar --claim "its vectors beat permuted ones"

The rung is docs/results/SYSTEM/RUNG.json. Its numbers are the report's primary comparison, or the
one that --compare, --task and --metric name. It passed if the first method is better; after the
correction for several comparisons, if the report has one. The smallest detectable difference is 2.8
standard errors of the difference on validation, if the report has it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from p5rec.core.artefacts import write_json
from p5rec.core.errors import UserError, did_you_mean, input_error
from p5rec.core.paths import PACKAGE, RESULTS
from p5rec.evaluate.blocks import LOWER_IS_BETTER
from p5rec.evaluate.primary import DETECTABLE
from p5rec.evaluate.schema import Comparison, Report, load_report
from p5rec.report.rungs import Rung
from p5rec.report.systems import SYSTEMS

BOUNDS = 2 * 1.96  # standard errors between the bounds of an interval


def measured(report: Report, named: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a rung, and whether it passed.

    Args:
        named: ``compare`` (two methods), ``task`` and ``metric`` of a comparison; empty: the
            report's primary comparison.

    Raises:
        UserError: the report has no such comparison on test.
    """
    found = _named(report, named) if named else report.primary
    if found is None:
        todo = "name another with --compare, --task and --metric"
        raise input_error("the report", "a primary comparison", "none", todo)
    if isinstance(found, Comparison):
        passed, detectable = _better(found), _detectable(report, found)
    else:
        passed, detectable = found.verdict == "yes", found.detectable
    return {
        "passed": passed,
        "metric": found.metric,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "detectable": detectable,
    }


def _named(report: Report, named: Mapping[str, Any]) -> Comparison:
    names = {_name(c): c for c in report.comparisons if c.split == "test"}
    name = " | ".join((*named["compare"], named["task"], named["metric"]))
    if name not in names:
        todo = did_you_mean(name, names)
        raise input_error("--compare", "a comparison of the report", name, todo)
    return names[name]


def _name(comparison: Comparison) -> str:
    return " | ".join((comparison.a, comparison.b, comparison.task, comparison.metric))


def _better(comparison: Comparison) -> bool:
    if comparison.low is None or comparison.high is None:
        return False
    lower = comparison.metric in LOWER_IS_BETTER
    shown = comparison.high < 0 if lower else comparison.low > 0
    return shown and comparison.verdict in (None, "better")


def _detectable(report: Report, comparison: Comparison) -> float | None:
    """2.8 standard errors of the same comparison on validation; None where it is unknown."""
    name = _name(comparison)
    for c in report.comparisons:
        if (_name(c), c.split) == (name, "valid") and c.low is not None and c.high is not None:
            return DETECTABLE / BOUNDS * (c.high - c.low)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("system", choices=[system.name for system in SYSTEMS])
    parser.add_argument("rung", choices=["G2", "G3"])
    parser.add_argument("report", type=Path, help="folder of a committed report")
    parser.add_argument("--claim", required=True, help="a sentence without a full stop")
    parser.add_argument("--compare", nargs=2, metavar=("METHOD", "OTHER"))
    parser.add_argument("--task")
    parser.add_argument("--metric")
    parser.add_argument("--command", help="default: p5rec run NAME, with the name of the config")
    options = parser.parse_args()

    folder = options.report.resolve()
    if not folder.is_relative_to(PACKAGE.parent / "docs"):
        parser.error(f"expected a folder in docs/, got {folder}; commit the report there first")
    named = {name: getattr(options, name) for name in ("compare", "task", "metric")}
    if len({value is None for value in named.values()}) > 1:
        parser.error("expected --compare, --task and --metric together")
    named = {} if options.compare is None else named
    try:
        report = load_report(folder)
        numbers = measured(report, named)
    except UserError as error:
        parser.error(str(error))
    rung = Rung(
        **numbers,
        rung=options.rung,
        claim=options.claim,
        command=options.command or f"p5rec run {report.manifest['config']['name']}",
        source={"report": folder.relative_to(PACKAGE.parent).as_posix(), **named},
    )
    write_json(RESULTS / options.system / f"{options.rung}.json", asdict(rung))


if __name__ == "__main__":
    main()
