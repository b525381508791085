"""The default method against all tuned methods on many logs: a Markdown table.

python scripts/logs_table.py runs/logs-*

The first method of a run's comparisons is the default. A row has its metrics on the test split, the
best other method, the paired differences to that method and to the default's own components with
their intervals, and the difference that the log would detect with 80 % power (2.8 standard errors
of the difference to the best other). A negative difference whose interval excludes 0 is marked:
there the default loses. Intervals are not corrected for multiple comparisons.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from p5rec.evaluate.blocks import OF_BASKETS
from p5rec.evaluate.schema import Comparison, Method, Report, load_report
from p5rec.report.markdown import table

DETECTABLE = 2.8 / (2 * 1.96)  # as a multiple of an interval's width
HEAD = [
    "log",
    "n",
    "seeds",
    "default",
    "best other",
    "difference",
    "detectable from",
    "its components",
    "train",
]


def line(run: Path) -> list[str]:
    """The cells of one run."""
    report = load_report(run)
    name = report.comparisons[0].a
    methods = {m.name: m for m in report.methods if m.split == "test" and _metrics(m)}
    ours = methods[name]
    against = [c for c in report.comparisons if c.a == name and c.split == "test"]
    components = {c.b for c in against} & _own(report, name)
    other = max(
        (methods[c.b] for c in against if c.b not in components),
        key=lambda m: _value(m, _metrics(m)[1]),
    )
    seeds = str(max(len(ours.by_seed.get(_metrics(ours)[0], [])), 1))
    gaps = [c for c in against if c.b == other.name and c.metric in _metrics(ours)]
    own = [
        f"{component} {_pair(methods[component])}: {_gaps(against, component, ours)}"
        for component in sorted(components)
    ]
    return [
        run.name.removeprefix("logs-"),
        f"{ours.n:,}",
        seeds,
        _pair(ours),
        f"{other.name} {_pair(other)}",
        _gaps(against, other.name, ours),
        " / ".join(_number(DETECTABLE * _width(c)) for c in gaps),
        "; ".join(own) or "-",
        f"{ours.train_seconds / 60:.1f} min",
    ]


def _own(report: Report, name: str) -> set[str]:
    """The methods of the run that are components of ``name``."""
    methods: dict[str, Any] = report.manifest["config"]["methods"]
    named = methods.get(name, {}).get("components", {}).values()
    return {component for component in named if isinstance(component, str)}


def _metrics(method: Method) -> tuple[str, ...]:
    return next(
        (m for m in (OF_BASKETS, ("HR@10", "NDCG@10")) if {*m} <= method.metrics.keys()), ()
    )


def _gaps(against: list[Comparison], b: str, ours: Method) -> str:
    return " / ".join(_gap(c) for c in against if c.b == b and c.metric in _metrics(ours))


def _gap(c: Comparison) -> str:
    lost = " **loses**" if c.uncorrected_verdict == "worse" else ""
    return f"{c.value:+.4f} [{c.low:+.4f}, {c.high:+.4f}]{lost}"


def _width(c: Comparison) -> float:
    return (c.high or 0.0) - (c.low or 0.0)


def _pair(method: Method) -> str:
    return " / ".join(_number(method.metrics[name].value) for name in _metrics(method))


def _value(method: Method, metric: str) -> float:
    return method.metrics[metric].value or 0.0


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}".removeprefix("0")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs")
    print("\n".join(table(HEAD, [line(run) for run in parser.parse_args().runs])))


if __name__ == "__main__":
    main()
