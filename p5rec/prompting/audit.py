"""Leak 2: the target, or anything else held out of the user's history, in what a model reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from p5rec.core.rng import derive_rng
from p5rec.core.types import Example
from p5rec.data.findings import SHOWN, Finding, shown, too_many
from p5rec.data.repeats_audit import plain
from p5rec.data.side_audit import Names

from . import tasks
from .draft import CHOICE
from .evaluation import EvaluationSource
from .fields import Record
from .library import PromptLibrary
from .source import PromptsConfig
from .template import Template
from .view import CorpusView

ROWS = 25  # of each family and held-out part, asked in all of its wordings
SHOTS = 2  # worked examples put before a question, at least
LONG = 300  # characters of a prompt that are shown


@dataclass
class _Met:
    """Questions whose prompt names what it must not, and what else was looked at."""

    asked: int = 0
    named: list[tuple[int, str]] = field(default_factory=list)  # event, prompt
    by_code: int = 0
    fair: int = 0  # prompts that name what another question must not


def audit_prompts(
    view: CorpusView, library: PromptLibrary, config: PromptsConfig | None = None, seed: int = 0
) -> list[Finding]:
    """Every wording of every family, posed about held-out events and read as a model reads it.

    Item tasks may not show the target, unless it is among the options; no prompt may show an item
    that the user met only in the part asked about or later; worked examples may not name the
    target. Items are looked for by code and by title; titles that other shown titles hold are not
    counted, nor are more than chance of those that a text holds by accident.

    Args:
        view: the corpus and how items are named.
        library: the wordings.
        config: how they are posed, where worked examples are few, with ``SHOTS`` of them.
        seed: of the choice of rows, and of their draws.
    """
    config = config or PromptsConfig()
    names = Names.of(view.corpus)
    found: list[Finding] = []
    for family in library.families():
        task = library.family(family).task
        for part in ("valid", "test"):
            if tasks.get(task).of_items or tasks.unavailable(task, view, part):
                continue
            fitting = [t.full_id for t in library.fitting(family, view)]
            if fitting:
                found += _family(view, names, library, family, part, fitting, config, seed)
    return found


def _family(
    view: CorpusView,
    names: Names,
    library: PromptLibrary,
    family: str,
    part: str,
    wordings: list[str],
    config: PromptsConfig,
    seed: int,
) -> Iterator[Finding]:
    task = tasks.get(library.family(family).task)
    rows = derive_rng(seed, "audit", family, part).permutation(task.rows(view, part))[:ROWS]
    with_shots = config.model_copy(update={"shots": max(config.shots, SHOTS)})
    bare, shot = (
        EvaluationSource(
            view, library, family, part, template_ids=wordings, rows=rows, seed=seed, config=posed
        )
        for posed in (config.model_copy(update={"shots": 0}), with_shots)
    )
    yield from _late_histories(view, family, bare.rows)
    plainly, worked = _Met(), _Met()
    records = [bare.record(i) for i in range(0, len(bare), len(bare.templates))]
    for i in range(len(bare)):
        at, which = divmod(i, len(bare.templates))
        template, record = bare.templates[which], records[at]
        other = records[(at + 1) % len(records)]
        hidden, strange = (_hidden(view, r, template) for r in (record, other))
        strange -= record.mentions | hidden
        _look(plainly, view, names, record, bare[i], hidden, strange)
        if not template.given & set(CHOICE):
            target = hidden & {record.item}
            _look(worked, view, names, record, shot[i], target, strange & {other.item})
    yield from _told(view, family, part, plainly, "the question")
    if not plainly.named:
        yield from _told(view, family, part, worked, "a question after worked examples")


def _hidden(view: CorpusView, record: Record, template: Template) -> set[int]:
    """Items that a prompt may not name: met by its user in the part asked about or later alone."""
    log, part = view.corpus.interactions, view.corpus.split.parts[record.event]
    events = np.arange(*log.offsets[[record.user, record.user + 1]])
    late = set(log.items[events[view.corpus.split.parts[events] >= part]].tolist())
    before = view.corpus.split.parts[events] < part
    late -= set(log.items[events[before & (events < record.event)]].tolist())
    if template.given & set(CHOICE):
        late -= set(record.candidates)
    if "item" in tasks.get(record.task).given:  # the question is about it
        late.discard(record.item)
    return late


def _look(
    met: _Met,
    view: CorpusView,
    names: Names,
    record: Record,
    example: Example,
    hidden: set[int],
    strange: set[int],
) -> None:
    """Notes whether the prompt names a hidden item, and whether a stranger's."""
    text = f"{example.system}\n{example.source}"
    words = f" {plain(text)} "
    beside = sorted(record.mentions - hidden)
    met.asked += 1
    code = any(view.names.ids[item] in text for item in hidden)
    met.by_code += code
    if code or any(names.named(words, item, lambda: beside) for item in hidden):
        met.named.append((record.event, text))
    met.fair += any(names.named(words, item, lambda: beside) for item in strange)


def _told(view: CorpusView, family: str, part: str, met: _Met, what: str) -> Iterator[Finding]:
    if not met.by_code and not too_many(len(met.named), max(met.fair, 0.05)):
        return
    yield Finding(
        "leak",
        "2 target in a prompt",
        f"{family}, {part}: {what} names an item that the answer is to find or that its user met "
        f"only later, in {len(met.named):,} of {met.asked:,} prompts (items of others: {met.fair:,}"
        ", by title)",
        {"prompts": float(len(met.named)), "asked": float(met.asked)},
        shown(
            view.corpus,
            np.array([event for event, _ in met.named[:SHOWN]]),
            {"prompt": [text[-LONG:] for _, text in met.named[:SHOWN]]},
        ),
    )


def _late_histories(view: CorpusView, family: str, rows: np.ndarray) -> Iterator[Finding]:
    """Events of a history that are not before the one asked about, in part and in time."""
    log, parts = view.corpus.interactions, view.corpus.split.parts
    wrong = [
        row
        for row in rows.tolist()
        for past in [view.past(row)]
        if ((parts[past] >= parts[row]) | (log.times[past] > log.times[row])).any()
    ]
    if wrong:
        yield Finding(
            "leak",
            "2 held-out events in a history",
            f"{family}: {len(wrong):,} of {len(rows):,} histories hold events of the part asked "
            f"about, or later ones",
            {"histories": float(len(wrong))},
            shown(view.corpus, np.array(wrong)),
        )
