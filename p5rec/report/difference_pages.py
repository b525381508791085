"""Two runs side by side as plain text, as Markdown, and as a page of its own."""

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
LOUD = "NOT COMPARABLE: these figures stand side by side and must not be held against each other."
NOTHING = "Nothing that a report records of settings, data and versions differs."


def text(found: Difference) -> str:
    """For the terminal."""
    lines = [f"A  {found.a}", f"B  {found.b}", ""]
    if found.obstacles:
        lines += [LOUD, *(f"  expected {line}" for line in found.obstacles), ""]
    lines += [fill(line, WIDTH, subsequent_indent="    ") for line in _settings(found)] or [NOTHING]
    for title, rows in _groups(found).items():
        columns = [column(*cells) for cells in zip(HEAD, *map(_cells, rows), strict=True)]
        head, *body = ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]
        rule = "-" * max(map(len, (head, *body)))
        lines += ["", title, "", head, rule, *body, "", *_sentences(rows)]
    last = [fill(line, WIDTH, subsequent_indent="    ") for line in _others(found)]
    return "\n".join([*lines, "", *last]).rstrip()


def markdown(found: Difference) -> str:
    """As Markdown."""
    lines = ["# Two runs", "", *bullets([f"A: {escaped(found.a)}", f"B: {escaped(found.b)}"]), ""]
    if found.obstacles:
        told = [f"expected {escaped(line)}" for line in found.obstacles]
        lines += [f"**{LOUD}**", "", *bullets(told), ""]
    lines += ["## What differs", "", *bullets(map(escaped, _settings(found) or [NOTHING])), ""]
    for title, rows in _groups(found).items():
        cells = [[escaped(cell) for cell in _cells(row)] for row in rows]
        lines += [f"## {escaped(title)}", "", *markdown_table(HEAD, cells), ""]
        lines += [*bullets(map(escaped, _sentences(rows))), ""]
    return "\n".join([*lines, *bullets(map(escaped, _others(found)))]).rstrip() + "\n"


def page(found: Difference) -> str:
    """As one HTML file, in the way of a run's report."""
    warned = tag(
        "div",
        tag("p", tag("b", LOUD)),
        tag("ul", *(tag("li", f"expected {line}") for line in found.obstacles)),
        class_="refused",
    )
    settings = [[key, *values] for key, values in found.settings.items()]
    figures = [
        part
        for title, rows in _groups(found).items()
        for part in (
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
            tag("dl", *(tag("div", tag("dt", name), tag("dd", place))
                        for name, place in (("A", found.a), ("B", found.b)))),
            warned if found.obstacles else "",
        ),
        tag(
            "main",
            section("Figures", *figures, tag("ul", *(tag("li", x) for x in _others(found)))),
            section(
                "What differs",
                table("Settings, data and versions", ("key", "A", "B"), settings)
                if settings
                else tag("p", NOTHING),
            ),
        ),
    )  # fmt: skip


def _settings(found: Difference) -> list[str]:
    return [f"{key}: {a} -> {b}" for key, (a, b) in found.settings.items()]


def _groups(found: Difference) -> dict[str, list[Row]]:
    """The rows of each task and part, without methods that are the same in both runs."""
    groups: dict[str, list[Row]] = {}
    for row in found.rows:
        if (row.method, row.task, row.split) in _changed(found):
            groups.setdefault(f"{row.task}, {row.split}", []).append(row)
    return groups


def _changed(found: Difference) -> set[tuple[str, str, str]]:
    return {(row.method, row.task, row.split) for row in found.rows if not row.unchanged}


def _others(found: Difference) -> list[str]:
    """What no table shows."""
    every = dict.fromkeys((row.method, row.task, row.split) for row in found.rows)
    same = [f"{m} ({task}, {part})" for m, task, part in every
            if (m, task, part) not in _changed(found)]  # fmt: skip
    return [*([f"the same figures in both: {', '.join(same)}"] if same else []), *found.alone]


def _cells(row: Row) -> Sequence[str]:
    return (row.method, row.metric, _figure(row.a), _figure(row.b), _change(row))


def _page_cells(row: Row) -> Sequence[str]:
    method, metric, *shown = _cells(row)
    known = (row.a, row.b, row.paired)
    values = [figure.value if figure is not None else None for figure in known]
    cells = []
    for text, value in zip(shown, values, strict=True):
        figure, _, rest = text.partition(" ")
        cells.append(cell(figure, " ", tag("small", rest), value=value))
    return (method, metric, *cells)


def _figure(measure: Measure | None) -> str:
    return f"{number(measure.value)} {bracket(measure)}".rstrip() if measure else ABSENT


def _change(row: Row) -> str:
    """The paired difference; without one, what can be said and why no more."""
    if row.paired is not None:
        return f"{signed(row.paired.value)} {signed_bracket(row.paired)}".rstrip()
    known = [m.value for m in (row.a, row.b) if m is not None and m.value is not None]
    if len(known) < 2 or row.why == "not comparable":
        return row.why
    return f"{signed(known[1] - known[0])} ({row.why})"


def _sentences(rows: Sequence[Row]) -> list[str]:
    return [row.paired.sentence for row in rows if row.paired is not None and row.main]
