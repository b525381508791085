"""The report as one table of plain text."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from p5rec.evaluate.blocks import Block, blocks
from p5rec.evaluate.schema import Report

from .numbers import bracket, number, seconds, share
from .phrases import legend, outdone, setting

WIDTH = 110
NAME_WIDTH = 24
GAP = "  "


def table(report: Report) -> str:
    """The main numbers of every task, best method first, at most ``WIDTH`` columns wide."""
    lines = [_wrapped(warning), ""] if (warning := outdone(report)) else []
    if report.primary:
        lines += [_wrapped(f"Primary comparison: {report.primary.sentence}"), ""]
    for block in blocks(report):
        protocol = setting(block, report.protocol)
        title = f"{block.task}, {block.split}" + (f": {protocol}" if protocol else "")
        lines += [_wrapped(title), "", *_fitting(block), ""]
        sentences = [
            _wrapped(c.sentence)
            for c in report.comparisons
            if (c.task, c.split) == (block.task, block.split) and c.metric in block.metrics[:1]
        ]
        lines += [*sentences, ""] if sentences else []
    return "\n".join([*lines, _wrapped(legend(report))])


def _fitting(block: Block) -> list[str]:
    """The block with as many intervals as the width allows, from the first metric on. Where no
    interval fits, method names are shortened."""
    over = 0
    for bracketed in range(len(block.metrics), -1, -1):
        lines = _aligned(block, block.metrics[:bracketed])
        over = max(map(len, lines)) - WIDTH
        if over <= 0:
            return lines
    return _aligned(block, (), NAME_WIDTH - over)


def _aligned(block: Block, bracketed: Sequence[str], name_width: int = NAME_WIDTH) -> list[str]:
    methods = block.methods
    columns = [column("method", *(_cut(method.name, name_width) for method in methods))]
    for metric in block.metrics:
        measures = [method.metrics.get(metric) for method in methods]
        values = _right("", [number(m.value if m else None) for m in measures])[1:]
        cells = [
            value + ("*" if block.wins(method, metric) else " ")
            for value, method in zip(values, methods, strict=True)
        ]
        if metric in bracketed:
            cells = [f"{c} {bracket(m)}" for c, m in zip(cells, measures, strict=True)]
        columns.append(column(metric, *cells))
    columns.append(_right("n", [f"{method.n:,}" for method in methods]))
    columns.append(_right("invalid", [share(method.invalid_rate) for method in methods]))
    if any(method.duplicate_rate is not None for method in methods):
        columns.append(_right("repeated", [share(method.duplicate_rate) for method in methods]))
    columns.append(_right("train s", [seconds(method.train_seconds) for method in methods]))
    columns.append(_right("infer s", [seconds(method.infer_seconds) for method in methods]))
    head, *rows = [GAP.join(cells).rstrip() for cells in zip(*columns, strict=True)]
    return [head, "-" * max(map(len, (head, *rows))), *rows]


def column(*cells: str) -> list[str]:
    """The cells, padded to the width of the widest."""
    width = max(map(len, cells))
    return [cell.ljust(width) for cell in cells]


def _right(head: str, cells: Sequence[str]) -> list[str]:
    width = max(map(len, (head, *cells)))
    return [cell.rjust(width) for cell in (head, *cells)]


def _cut(name: str, width: int) -> str:
    if len(name) <= width:
        return name
    start = (width - 3) // 2
    return f"{name[:start]}...{name[len(name) - (width - 3 - start) :]}"


def _wrapped(line: str) -> str:
    return fill(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
