"""The tables of the report page: main results, differences, slices, and all metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from p5rec.evaluate.blocks import LOWER_IS_BETTER, Block, blocks
from p5rec.evaluate.cost import cost_columns, costs
from p5rec.evaluate.schema import Comparison, Measure, Method, Report, Slice

from .drawings import bar, span
from .html import Html, cell, join, more, table, tag
from .numbers import ABSENT, bracket, cost_cell, number, seconds, share, signed, signed_bracket
from .phrases import SLICES, about_slices, legend, setting

Axis = tuple[float, float]


def results(report: Report) -> list[Html]:
    """A table for each task and split: main metrics with intervals, best method first."""
    tables = [_result(block, report) for block in blocks(report)]
    return [*tables, tag("p", legend(report), class_="quiet")]


def _result(block: Block, report: Report) -> Html:
    axes = {m: span(method.metrics.get(m) for method in block.methods) for m in block.metrics}
    repeated = any(method.duplicate_rate is not None for method in block.methods)
    cost_names = cost_columns(block)
    head = [
        "method",
        *cost_names,
        *(_metric(metric, axes[metric]) for metric in block.metrics),
        "n", "invalid", *(["repeated"] if repeated else []), "train s", "infer s",
    ]  # fmt: skip
    rows = [
        [
            method.name,
            *_costs(method, cost_names),
            *(_measured(block, method, metric, axes[metric]) for metric in block.metrics),
            cell(f"{method.n:,}", value=method.n),
            _rate(method.invalid_rate),
            *([_rate(method.duplicate_rate)] if repeated else []),
            cell(seconds(method.train_seconds), value=method.train_seconds),
            cell(seconds(method.infer_seconds), value=method.infer_seconds),
        ]
        for method in block.methods
    ]
    how = setting(block, report.protocol)
    note = how[:1].upper() + how[1:] + "." if how else ""
    return table(f"{block.task}, {block.split}", head, rows, note=note, sortable=True)


def _costs(method: Method, names: Sequence[str]) -> list[str | Html]:
    return [
        entry if isinstance(entry, str) else cell(cost_cell(entry), value=entry)
        for entry in costs(method, names)
    ]


def _metric(metric: str, axis: Axis) -> Html:
    """A column's heading: the metric and the ends of its axis."""
    lower = " (lower is better)" if metric in LOWER_IS_BETTER else ""
    ends = tag("span", tag("span", number(axis[0])), tag("span", number(axis[1])), class_="ends")
    return join([metric, lower, ends])


def _measured(block: Block, method: Method, metric: str, axis: Axis) -> Html:
    measure, best = method.metrics.get(metric), block.wins(method, metric)
    value = measure.value if measure else None
    text = tag("b", number(value), "*") if best else number(value)
    return cell(
        text, " ", tag("small", bracket(measure)), bar(measure, axis, strong=best), value=value
    )


def _rate(value: float | None) -> Html:
    return cell(share(value), value=value)


def compared(report: Report) -> Iterator[Html]:
    """A table of comparisons for each task, split and metric."""
    groups: dict[tuple[str, str, str], list[Comparison]] = {}
    for comparison in report.comparisons:
        at = (comparison.task, comparison.split, comparison.metric)
        groups.setdefault(at, []).append(comparison)
    for (task, split, metric), members in groups.items():
        axis = span([*members, Measure(value=0, low=0, high=0)])
        rows = [
            [
                c.sentence,
                cell(
                    tag("span", f"{c.a} − {c.b}", class_="of"),
                    signed(c.value), " ", tag("small", signed_bracket(c)),
                    bar(c, axis, strong=claimed(c), zero=True),
                    value=c.value,
                ),
            ]
            for c in members
        ]  # fmt: skip
        title = f"Differences in {metric}, {task}, {split}"
        yield table(title, ["comparison", _metric(metric, axis)], rows, sortable=True)


def claimed(comparison: Comparison) -> bool:
    """Whether the sentence names a winner."""
    return comparison.sentence.startswith((f"{comparison.a} beats", f"{comparison.b} beats"))


def sliced(report: Report) -> Iterator[Html]:
    """A table for each task, split and metric, with a column for each slice."""
    for block in blocks(report):
        cut = [method for method in block.methods if method.slices]
        counts = {name: own.n for method in cut for name, own in method.slices.items()}
        measured = [
            own.metrics
            for method in cut
            for own in method.slices.values()
            if own.metrics != "unsupported"
        ]
        for metric in dict.fromkeys(metric for metrics in measured for metric in metrics):
            head = ["method", *(_slice_head(name, n) for name, n in counts.items())]
            rows = [
                [method.name, *(_slice(method.slices.get(name), metric) for name in counts)]
                for method in cut
            ]
            caption = f"{metric} by slice, {block.task}, {block.split}"
            yield table(caption, head, rows, sortable=True)
    yield join(tag("p", line, class_="quiet") for line in about_slices(report))


def _slice_head(name: str, n: int) -> Html:
    return join([SLICES.get(name, name), tag("span", f"n = {n:,}", class_="ends")])


def _slice(own: Slice | None, metric: str) -> Html:
    if own is None or own.metrics == "unsupported":
        return tag("td", "unsupported" if own else ABSENT, class_="number")
    measure = own.metrics.get(metric)
    value = measure.value if measure else None
    return cell(number(value), tag("small", bracket(measure), class_="below"), value=value)


def all_metrics(report: Report) -> Iterator[Html]:
    """Folded tables of all metrics of each method."""
    for block in blocks(report):
        title = f"{block.task}, {block.split}"
        metrics = _names([list(method.metrics) for method in block.methods])
        other = _names([list(method.other_metrics) for method in block.methods])
        rows = [
            [
                method.name,
                *(_plain(method.metrics.get(metric)) for metric in metrics),
                *(_number(method.other_metrics.get(name)) for name in other),
            ]
            for method in block.methods
        ]
        head = ["method", *metrics, *(name.replace("_", " ") for name in other)]
        tables = [table(f"All metrics, {title}", head, rows, sortable=True)]
        if any(method.by_seed for method in block.methods):
            rows = [
                [f"{method.name}: {metric}", *map(_number, values)]
                for method in block.methods
                for metric, values in method.by_seed.items()
            ]
            head = ["method and metric", *(f"seed {n}" for n in report.protocol.seeds)]
            tables.append(table(f"By seed, {title}", head, rows))
        yield more(f"{title}: {', '.join(metrics)}", *tables)


def _number(value: float | None) -> Html:
    return cell(number(value), value=value)


def _names(lists: Sequence[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in lists for name in names))


def _plain(measure: Measure | None) -> Html:
    value = measure.value if measure else None
    return cell(number(value), tag("small", bracket(measure), class_="below"), value=value)
