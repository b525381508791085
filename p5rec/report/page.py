"""The report as one self-contained HTML file that makes no network request."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from p5rec.evaluate.blocks import blocks
from p5rec.evaluate.schema import Method, Report
from p5rec.prompting.template import HELD_OUT

from .drawings import curves
from .html import Html, anchor, document, join, more, section, tag
from .page_figures import all_metrics, compared, results, sliced
from .page_samples import examples
from .phrases import RERUN, outdone, run_time, sentences, training_processes
from .training_log import read_log

DRAWN = ("plots/metrics.png", "plots/training.png")  # the page draws these itself
MAX_FINDINGS = 8  # sentences on differences at the top of the page
MAX_BYTES = 200_000  # of an embedded picture


def page(report: Report, folder: Path) -> str:
    """``report`` as a self-contained page.

    Args:
        report: the report.
        folder: the folder of its pictures and training logs; a missing picture is left out, and
            one above ``MAX_BYTES`` is named and not embedded.

    Raises:
        UserError: a training log is missing or damaged.
    """
    logs = {name: read_log(folder / path) for name, path in report.curves.items()}
    logs = {name: log for name, log in logs.items() if log}
    sections: dict[str, list[Html]] = {
        "Results": results(report),
        "Differences": list(compared(report)),
        "Slices": list(sliced(report)) if any(m.slices for m in report.methods) else [],
        "Training": [curves(logs)] if logs else [],
        "Examples": list(examples(report)),
        "Pictures": _pictures(report, folder),
        "Protocol": [_bullets(sentences(report.protocol))],
        "All metrics": list(all_metrics(report)),
        "Methods": [_method(method) for method in report.methods if method.about],
        "Provenance": _provenance(report),
    }
    filled = {title: inside for title, inside in sections.items() if inside}
    links = [tag("li", tag("a", title, href=f"#{anchor(title)}")) for title in filled]
    return document(
        f"{name_of(report)}: report",
        tag("header", *_headline(report)),
        tag("nav", tag("ul", *links), aria_label="Sections of the report"),
        tag("main", *(section(title, *inside) for title, inside in filled.items())),
    )


def name_of(report: Report) -> str:
    """The name of the recipe's config, or of the measured model or lists."""
    config = report.manifest.get("config")
    name = config.get("name") if isinstance(config, Mapping) else None
    return str(name or Path(str(report.manifest.get("measured", "run"))).name)


def _headline(report: Report) -> list[Html]:
    config = report.manifest.get("config")
    data = config.get("data") if isinstance(config, Mapping) else report.manifest.get("data")
    source = data if isinstance(data, Mapping) else {}
    named = str(source.get("path") or source.get("source") or "")
    protocol, counts = report.protocol, report.data
    measured = [(block.task, block.split) for block in blocks(report)]
    held_out = {(t.removesuffix(HELD_OUT), split) for t, split in measured if t.endswith(HELD_OUT)}
    tasks: dict[str, list[str]] = {}
    for task, split in measured:
        if not task.endswith(HELD_OUT):
            tasks.setdefault(split, []).append(f"{task}*" if (task, split) in held_out else task)
    scope = [f"{', '.join(names)} on {split}" for split, names in tasks.items()]
    rules = dict.fromkeys(protocol.splits.values())
    facts = {
        "data": ", ".join(
            [named] * bool(named)
            + [f"{counts[k]:,} {k}" for k in ("users", "items", "events") if k in counts]
        ),
        "split": ", ".join(rules),
        "measured": "; ".join([*scope, "* with held-out templates too"] if held_out else scope),
        "methods": f"{len({method.name.partition(' (')[0] for method in report.methods})}",
        "seeds": ", ".join(map(str, protocol.seeds)),
        "intervals": f"{100 * protocol.level:g} %, {protocol.resamples:,} resamples of users",
        "run time": run_time(report),
    }
    main = {(b.task, b.split): b.metrics[:1] for b in blocks(report)}
    findings = [f"{c.task}: {c.sentence}" if len(main) > 1 else c.sentence
             for c in report.comparisons
             if c.metric in main.get((c.task, c.split), ()) and c.split == "test"]  # fmt: skip
    if report.primary:
        findings.insert(0, f"Primary comparison: {report.primary.sentence}")
    rest = len(findings) - MAX_FINDINGS
    if rest > 0:
        findings[MAX_FINDINGS:] = [f"... and {rest} more, under Differences"]
    return [
        tag("p", "p5rec report", class_="quiet"),
        tag("h1", name_of(report)),
        tag("p", tag("strong", warning)) if (warning := outdone(report)) else Html(),
        tag("dl", *(tag("div", tag("dt", k), tag("dd", v)) for k, v in facts.items() if v)),
        join([tag("h2", "Findings"), _bullets(findings)]) if findings else Html(),
        join([tag("h2", "Notes"), _bullets(report.notes)]) if report.notes else Html(),
    ]


def _pictures(report: Report, folder: Path) -> list[Html]:
    figures = []
    for caption, name in report.pictures.items():
        path = folder / name
        if name in DRAWN or not path.is_file():
            continue
        if path.stat().st_size > MAX_BYTES:
            figures.append(tag("p", f"{caption}: {name} in the folder of this page"))
            continue
        data = f"data:image/png;base64,{b64encode(path.read_bytes()).decode()}"
        picture = tag("img", src=data, alt=caption)
        figures.append(tag("figure", tag("figcaption", caption), picture))
    return figures


def _method(method: Method) -> Html:
    return more(
        f"{method.name}: {method.task}, {method.split}",
        tag("pre", _json(method.about), tabindex="0"),
    )


def _provenance(report: Report) -> list[Html]:
    config = "config" in report.manifest
    command = report.manifest.get("command", RERUN if config else None)
    config_file = ", with the config below in config.yaml" if config else ""
    prompts = sorted({str(p) for m in report.methods for p in m.about.get("prompts", [])})
    lines = [tag("p", f"To repeat this run{config_file}:"), tag("pre", command)] if command else []
    if trained := training_processes(report):
        lines.append(tag("p", f"Training processes: {trained}."))
    if prompts:
        lines.append(tag("p", f"Prompt templates: {', '.join(prompts)}."))
    facts: dict[str, Any] = {"data": report.data, "protocol": report.protocol.dump()}
    lines.append(
        more(
            "Manifest: data, protocol, config, versions, hashes",
            tag("pre", _json({**facts, **report.manifest}), tabindex="0"),
            id_="manifest",
        )
    )
    record = tag("a", "report.json", href="report.json")
    return [*lines, tag("p", "All results: ", record, ".")]


def _bullets(lines: list[str]) -> Html:
    return tag("ul", *(tag("li", line) for line in lines))


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
