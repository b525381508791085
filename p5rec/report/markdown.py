"""The report as Markdown: results first, then protocol, data and manifest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from p5rec.evaluate.blocks import Block, blocks, main_metrics
from p5rec.evaluate.cost import cost_columns, costs
from p5rec.evaluate.schema import Measure, Method, Report, Sample, Slice

from .numbers import ABSENT, bracket, cost_cell, number, seconds, share
from .phrases import (
    about_slices,
    legend,
    outcome,
    outdone,
    run_time,
    sentences,
    setting,
    training_processes,
)

# characters with a meaning in Markdown: emphasis, code, tables, HTML, links, headings
SPECIAL = re.compile(r"[\\`*<>|~$]|(?<!\w)_|_(?!\w)|\](?=[(\[:])|&(?=#?\w+;)|^#")
DEPTH = 20  # entries of a sample's list


def page(report: Report) -> str:
    """``report`` as Markdown; pictures and files are named relative to the report's folder."""
    lines = ["# Report", ""]
    if warning := outdone(report):
        lines += [f"**{escaped(warning)}**", ""]
    if report.primary:
        lines += [f"Primary comparison: **{escaped(report.primary.sentence)}**", ""]
    for block in blocks(report):
        lines += _results(block, report)
    lines += [escaped(legend(report)), ""]
    lines += [line for caption, path in report.pictures.items() for line in _picture(caption, path)]
    for title, body in (
        ("Comparisons", bullets(_compared(report))),
        ("Slices", _slices(report)),
        ("Protocol", bullets(map(escaped, sentences(report.protocol)))),
        ("Data", bullets(_pairs(report.data, ": "))),
        ("Methods", _methods(report)),
        ("Notes", bullets(map(escaped, report.notes))),
        ("Samples", _samples(report.samples)),
        ("Provenance", _provenance(report)),
    ):
        lines += [f"## {title}", "", *body, ""] if body else []
    return "\n".join(lines).rstrip() + "\n"


def _results(block: Block, report: Report) -> list[str]:
    how, cost_names = setting(block, report.protocol), cost_columns(block)
    head = [
        "method", *cost_names, *block.metrics, "n", "invalid", "repeated",
        "train s", "infer s",
    ]  # fmt: skip
    rows = [
        [
            escaped(method.name),
            *map(cost_cell, costs(method, cost_names)),
            *(_cell(method.metrics.get(m), best=block.wins(method, m)) for m in block.metrics),
            f"{method.n:,}",
            share(method.invalid_rate),
            share(method.duplicate_rate),
            seconds(method.train_seconds),
            seconds(method.infer_seconds),
        ]
        for method in block.methods
    ]
    return [
        f"## {escaped(block.task)}, {block.split}",
        "",
        *([escaped(how[:1].upper() + how[1:] + "."), ""] if how else []),
        *table(head, rows),
        "",
    ]


def _cell(measure: Measure | None, *, best: bool = False) -> str:
    if measure is None or measure.value is None:
        return ABSENT
    value = number(measure.value)
    marked = rf"**{value}**\*" if best else value
    return f"{marked} {bracket(measure)}".rstrip()


def _picture(caption: str, path: str) -> list[str]:
    return [f"![{escaped(caption)}]({path})", ""]


def _compared(report: Report) -> list[str]:
    return [f"{escaped(c.sentence)} ({escaped(c.task)}, {c.split})" for c in report.comparisons]


def _slices(report: Report) -> list[str]:
    lines = []
    for block in blocks(report):
        cut = [method for method in block.methods if method.slices]
        names = list(dict.fromkeys(name for method in cut for name in method.slices))
        metrics = dict.fromkeys(
            metric
            for method in cut
            for own in method.slices.values()
            if own.metrics != "unsupported"
            for metric in own.metrics
        )
        for metric in metrics:
            head = ["slice", "n", *(escaped(method.name) for method in cut)]
            rows = [_slice_row(name, metric, cut) for name in names]
            lines += [f"{metric}, {escaped(block.task)}, {block.split}:", ""]
            lines += [*table(head, rows), ""]
    return [*lines, *map(escaped, about_slices(report))] if lines else []


def _slice_row(name: str, metric: str, methods: Sequence[Method]) -> list[str]:
    slices = [method.slices.get(name) for method in methods]
    n = next(own.n for own in slices if own)
    return [escaped(name), f"{n:,}", *(_slice_cell(own, metric) for own in slices)]


def _slice_cell(own: Slice | None, metric: str) -> str:
    if own is None:
        return ABSENT
    return "unsupported" if own.metrics == "unsupported" else _cell(own.metrics.get(metric))


def _methods(report: Report) -> list[str]:
    return bullets(
        f"{escaped(f'{m.name} ({m.task}, {m.split})')}: {', '.join(facts)}"
        for m in report.methods
        if (facts := [*_by_seed(m), *_pairs(m.other_metrics), *_pairs(m.about)])
    )


def _by_seed(method: Method) -> list[str]:
    return [
        f"{escaped(metric)} by seed {' / '.join(map(number, method.by_seed[metric]))}"
        for metric in main_metrics(method.task, method.by_seed)
    ]


def _samples(samples: Sequence[Sample]) -> list[str]:
    lines: list[str] = []
    for kind in dict.fromkeys(sample.kind for sample in samples):
        lines += [f"### {escaped(kind)}", ""]
        for sample in (s for s in samples if s.kind == kind):
            query = "; ".join(_pairs(sample.query, ": "))
            lines += [f"**{escaped(sample.method)}**" + (f", {query}" if query else ""), ""]
            texts = [escaped(text) for text in sample.prediction[:DEPTH]]
            single = len(texts) == 1
            lines += [f"> {text}" if single else f"{i}. {text}" for i, text in enumerate(texts, 1)]
            if sample.target:
                result = outcome(sample)
                lines += [
                    "",
                    f"Target: {escaped(sample.target)}" + (f" ({result})" if result else ""),
                ]
            lines += [""]
    return lines[:-1]


def _provenance(report: Report) -> list[str]:
    versions = report.manifest.get("versions")
    scalars = {k: v for k, v in report.manifest.items() if not isinstance(v, dict | list)}
    lines = [f"run time: {run_time(report)}", *_pairs(scalars, ": ")]
    if trained := training_processes(report):
        lines.append(f"training processes: {escaped(trained)}")
    if isinstance(versions, dict):
        lines.append("versions: " + ", ".join(_pairs(versions)))
    lines.append("all results: [report.json](report.json)")
    return bullets(lines)


def _pairs(facts: Mapping[str, Any], sign: str = " ") -> list[str]:
    """``key value`` of each entry, escaped."""
    return [f"{escaped(_words(key))}{sign}{escaped(_text(v))}" for key, v in facts.items()]


def _words(key: str) -> str:
    return key.replace("_", " ")


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_words(key)} {_text(own)}" for key, own in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: ABSENT, True: "yes", False: "no"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table; its cells must be escaped."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def bullets(lines: Iterable[str]) -> list[str]:
    """The lines of a bulleted list; the lines must be escaped."""
    return [f"- {line}" for line in lines]


def escaped(text: str) -> str:
    """``text`` on one line, with Markdown's special characters escaped."""
    return SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))
