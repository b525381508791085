"""The differences between two runs as plain text, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from p5rec.evaluate.schema import Measure

from .difference import Difference, Row
from .html import cell, document, section, table, tag
from .markdown import bullets, escaped
from .markdown import table as markdown_table
from .numbers import ABSENT, bracket, number, signed, signed_bracket
from .terminal import WIDTH, column

HEAD = ("method", "metric", "A", "B", "B - A")
WARNING = "NOT COMPARABLE: these metrics are side by side, but must not be compared."
NO_CHANGE = "The recorded settings, data and versions are the same."


def text(change: Difference) -> str:
    """The differences as plain text."""
    lines = [f"A  {change.a}", f"B  {change.b}", ""]
    if change.obstacles:
        lines += [WARNING, *(f"  expected {line}" for line in change.obstacles), ""]
    lines += [fill(line, WIDTH, subsequent_indent="    ") for line in _settings(change)] or [
        NO_CHANGE
    ]
    for title, rows in _groups(change).items():
        columns = [column(*cells) for cells in zip(HEAD, *map(_cells, rows), strict=True)]
        head, *body = ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]
        rule = "-" * max(map(len, (head, *body)))
        lines += ["", title, "", head, rule, *body, "", *_sentences(rows)]
    last = [fill(line, WIDTH, subsequent_indent="    ") for line in _others(change)]
    return "\n".join([*lines, "", *last]).rstrip()


def markdown(change: Difference) -> str:
    """The differences as Markdown."""
    lines = ["# Two runs", "", *bullets([f"A: {escaped(change.a)}", f"B: {escaped(change.b)}"]), ""]
    if change.obstacles:
        reasons = [f"expected {escaped(line)}" for line in change.obstacles]
        lines += [f"**{WARNING}**", "", *bullets(reasons), ""]
    lines += ["## What differs", "", *bullets(map(escaped, _settings(change) or [NO_CHANGE])), ""]
    for title, rows in _groups(change).items():
        cells = [[escaped(cell) for cell in _cells(row)] for row in rows]
        lines += [f"## {escaped(title)}", "", *markdown_table(HEAD, cells), ""]
        lines += [*bullets(map(escaped, _sentences(rows))), ""]
    return "\n".join([*lines, *bullets(map(escaped, _others(change)))]).rstrip() + "\n"


def page(change: Difference) -> str:
    """The differences as one HTML file, in the style of a run's report."""
    warning = tag(
        "div",
        tag("p", tag("b", WARNING)),
        tag("ul", *(tag("li", f"expected {line}") for line in change.obstacles)),
        class_="warning",
    )
    settings = [[key, *values] for key, values in change.settings.items()]
    figures = [
        element
        for title, rows in _groups(change).items()
        for element in (
            table(title, HEAD, map(_page_cells, rows), sortable=True),
            tag("ul", *(tag("li", line) for line in _sentences(rows))),
        )
    ]
    return document(
        "Two runs",
        tag(
            "header",
            tag("p", "p5rec report diff", class_="quiet"),
            tag("h1", "Two runs"),
            tag("dl", *(tag("div", tag("dt", name), tag("dd", path))
                        for name, path in (("A", change.a), ("B", change.b)))),
            warning if change.obstacles else "",
        ),
        tag(
            "main",
            section("Figures", *figures, tag("ul", *(tag("li", x) for x in _others(change)))),
            section(
                "What differs",
                table("Settings, data and versions", ("key", "A", "B"), settings)
                if settings
                else tag("p", NO_CHANGE),
            ),
        ),
    )  # fmt: skip


def _settings(change: Difference) -> list[str]:
    return [f"{key}: {a} -> {b}" for key, (a, b) in change.settings.items()]


def _groups(change: Difference) -> dict[str, list[Row]]:
    """The rows of each task and split, without methods whose results are equal in both runs."""
    groups: dict[str, list[Row]] = {}
    for row in change.rows:
        if (row.method, row.task, row.split) in _changed(change):
            groups.setdefault(f"{row.task}, {row.split}", []).append(row)
    return groups


def _changed(change: Difference) -> set[tuple[str, str, str]]:
    return {(row.method, row.task, row.split) for row in change.rows if not row.unchanged}


def _others(change: Difference) -> list[str]:
    """Sentences about methods that are in no table."""
    every = dict.fromkeys((row.method, row.task, row.split) for row in change.rows)
    same = [f"{m} ({task}, {split})" for m, task, split in every
            if (m, task, split) not in _changed(change)]  # fmt: skip
    return [*([f"equal in both runs: {', '.join(same)}"] if same else []), *change.unmatched]


def _cells(row: Row) -> Sequence[str]:
    return (row.method, row.metric, _figure(row.a), _figure(row.b), _change(row))


def _page_cells(row: Row) -> Sequence[str]:
    method, metric, *texts = _cells(row)
    known = (row.a, row.b, row.paired)
    values = [figure.value if figure is not None else None for figure in known]
    cells = []
    for text, value in zip(texts, values, strict=True):
        figure, _, rest = text.partition(" ")
        cells.append(cell(figure, " ", tag("small", rest), value=value))
    return (method, metric, *cells)


def _figure(measure: Measure | None) -> str:
    return f"{number(measure.value)} {bracket(measure)}".rstrip() if measure else ABSENT


def _change(row: Row) -> str:
    """The paired difference; without one, the plain difference with the reason."""
    if row.paired is not None:
        return f"{signed(row.paired.value)} {signed_bracket(row.paired)}".rstrip()
    known = [m.value for m in (row.a, row.b) if m is not None and m.value is not None]
    if len(known) < 2 or row.why == "not comparable":
        return row.why
    return f"{signed(known[1] - known[0])} ({row.why})"


def _sentences(rows: Sequence[Row]) -> list[str]:
    return [row.paired.sentence for row in rows if row.paired is not None and row.main]
