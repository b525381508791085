"""The report as one HTML file: nothing beside it is needed, and nothing is asked of a network."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from p5rec.evaluate.blocks import blocks
from p5rec.evaluate.schema import Method, Report
from p5rec.prompting.template import UNSEEN

from .drawings import curves
from .html import Html, anchor, document, join, more, section, tag
from .numbers import seconds
from .page_figures import compared, every_figure, results, sliced
from .page_samples import examples
from .training_log import read_log
from .wording import RERUN, outdone, sentences

DRAWN_HERE = ("plots/metrics.png", "plots/training.png")
FIRST = 8  # sentences on differences at the top of the page
HEAVIEST = 200_000  # bytes of a picture that the page still carries


def page(report: Report, folder: Path) -> str:
    """``report`` as a page of its own.

    Args:
        report: any.
        folder: where its pictures and training records are; a picture that is not there, or a
            heavy one, is named and not shown.

    Raises:
        UserError: a training record is missing or broken.
    """
    logs = {name: read_log(folder / path) for name, path in report.curves.items()}
    logs = {name: log for name, log in logs.items() if log}
    parts: dict[str, list[Html]] = {
        "Results": results(report),
        "Differences": list(compared(report)),
        "Slices": list(sliced(report)) if any(m.slices for m in report.methods) else [],
        "Training": [curves(logs)] if logs else [],
        "Examples": list(examples(report)),
        "Pictures": _pictures(report, folder),
        "Protocol": [_bullets(sentences(report.protocol))],
        "Every figure": list(every_figure(report)),
        "Methods": [_method(method) for method in report.methods if method.about],
        "Made by": _made_by(report),
    }
    filled = {title: inside for title, inside in parts.items() if inside}
    links = [tag("li", tag("a", title, href=f"#{anchor(title)}")) for title in filled]
    return document(
        f"{name_of(report)}: report",
        tag("header", *_headline(report)),
        tag("nav", tag("ul", *links), aria_label="Parts of the report"),
        tag("main", *(section(title, *inside) for title, inside in filled.items())),
    )


def name_of(report: Report) -> str:
    """What was run: the recipe's config, or the model or lists that were measured."""
    config = report.manifest.get("config")
    name = config.get("name") if isinstance(config, Mapping) else None
    return str(name or Path(str(report.manifest.get("measured", "run"))).name)


def _headline(report: Report) -> list[Html]:
    config = report.manifest.get("config")
    data = config.get("data") if isinstance(config, Mapping) else report.manifest.get("data")
    source = data if isinstance(data, Mapping) else {}
    named = str(source.get("path") or source.get("source") or "")
    protocol, counts = report.protocol, report.data
    found = [(block.task, block.split) for block in blocks(report)]
    unseen = {(task.removesuffix(UNSEEN), part) for task, part in found if task.endswith(UNSEEN)}
    tasks: dict[str, list[str]] = {}
    for task, part in found:
        if not task.endswith(UNSEEN):
            tasks.setdefault(part, []).append(f"{task}*" if (task, part) in unseen else task)
    told = [f"{', '.join(of)} on {part}" for part, of in tasks.items()]
    rules = dict.fromkeys(protocol.splits.values())
    facts = {
        "data": ", ".join(
            [named] * bool(named)
            + [f"{counts[k]:,} {k}" for k in ("users", "items", "events") if k in counts]
        ),
        "split": ", ".join(rules),
        "measured": "; ".join([*told, "* in unseen wordings too"] if unseen else told),
        "methods": f"{len({method.name.partition(' (')[0] for method in report.methods})}",
        "seeds": ", ".join(map(str, protocol.seeds)),
        "intervals": f"{100 * protocol.level:g} %, {protocol.resamples:,} resamples of users",
        "took": f"{seconds(report.seconds)} s",
    }
    main = {(b.task, b.split): b.metrics[:1] for b in blocks(report)}
    said = [f"{c.task}: {c.sentence}" if len(main) > 1 else c.sentence
             for c in report.comparisons
             if c.metric in main.get((c.task, c.split), ()) and c.split == "test"]  # fmt: skip
    rest = len(said) - FIRST
    if rest > 0:
        said[FIRST:] = [f"... and {rest} more, under Differences"]
    return [
        tag("p", "p5rec report", class_="quiet"),
        tag("h1", name_of(report)),
        tag("p", tag("strong", better)) if (better := outdone(report)) else Html(),
        tag("dl", *(tag("div", tag("dt", k), tag("dd", v)) for k, v in facts.items() if v)),
        join([tag("h2", "Findings"), _bullets(said)]) if said else Html(),
        join([tag("h2", "To be known"), _bullets(report.notes)]) if report.notes else Html(),
    ]


def _pictures(report: Report, folder: Path) -> list[Html]:
    shown = []
    for caption, place in report.pictures.items():
        path = folder / place
        if place in DRAWN_HERE or not path.is_file():
            continue
        if path.stat().st_size > HEAVIEST:
            shown.append(tag("p", f"{caption}: {place}, beside this page"))
            continue
        data = f"data:image/png;base64,{b64encode(path.read_bytes()).decode()}"
        picture = tag("img", src=data, alt=caption)
        shown.append(tag("figure", tag("figcaption", caption), picture))
    return shown


def _method(method: Method) -> Html:
    return more(
        f"{method.name}: {method.task}, {method.split}",
        tag("pre", _json(method.about), tabindex="0"),
    )


def _made_by(report: Report) -> list[Html]:
    config = "config" in report.manifest
    command = report.manifest.get("command", RERUN if config else None)
    beside = ", with the config below in config.yaml" if config else ""
    prompts = sorted({str(p) for m in report.methods for p in m.about.get("prompts", [])})
    shown = [tag("p", f"The same again{beside}:"), tag("pre", command)] if command else []
    if prompts:
        shown.append(tag("p", f"Wordings: {', '.join(prompts)}."))
    whole: dict[str, Any] = {"data": report.data, "protocol": report.protocol.dump()}
    shown.append(
        more(
            "Manifest: data, protocol, config, versions, hashes",
            tag("pre", _json({**whole, **report.manifest}), tabindex="0"),
            id_="manifest",
        )
    )
    record = tag("a", "report.json", href="report.json")
    return [*shown, tag("p", "The whole record: ", record, ".")]


def _bullets(lines: list[str]) -> Html:
    return tag("ul", *(tag("li", line) for line in lines))


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
