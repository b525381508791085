"""Leak 2: the target, or anything else held out of the user's history, in what a model reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from p5rec.core.examples import Example
from p5rec.core.rng import sampled
from p5rec.prompting.evaluation import EvaluationSource
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import PromptsConfig
from p5rec.prompting.template import Template
from p5rec.tasks.draft import CHOICE
from p5rec.tasks.fields import Record
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView

from .findings import SHOWN, Finding, shown, too_many
from .repeats import plain
from .side_texts import Names

ROWS = 20  # of each family and held-out part, asked in all of its wordings
OTHERS = 5  # questions whose hidden items are looked for by way of comparison
SHOTS = 2  # worked examples put before a question, at least
LONG = 300  # characters of a prompt that are shown


@dataclass
class _Met:
    """Questions whose prompt names what it must not, by event; wordings of one count once.

    Attributes:
        asked: events asked about.
        named: a prompt of each event that names what it must not.
        by_code: some of them by code, which is never an accident.
        fair: event and other event whose hidden items a prompt of the first names.
    """

    asked: set[int] = field(default_factory=set)
    named: dict[int, str] = field(default_factory=dict)
    by_code: bool = False
    fair: set[tuple[int, int]] = field(default_factory=set)


def audit_prompts(
    view: CorpusView, library: PromptLibrary, config: PromptsConfig | None = None, seed: int = 0
) -> list[Finding]:
    """Every wording of every family, posed about held-out events and read as a model reads it.

    Item tasks may not show the target, unless it is among the options; no prompt may show an item
    that the user met only in the part asked about or later; worked examples may not name the
    target. Items are looked for by code, where they have codes, and by title. Titles that other
    shown titles hold do not count, nor do as many as texts hold by accident.

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
        for split_name in ("valid", "test"):
            if TASKS.get(task).of_items or TASKS.get(task).unavailable(view, split_name):
                continue
            fitting = [t.full_id for t in library.fitting(family, view)]
            if fitting:
                found += _family(view, names, library, family, split_name, fitting, config, seed)
    return found


def _family(
    view: CorpusView,
    names: Names,
    library: PromptLibrary,
    family: str,
    split_name: str,
    wordings: list[str],
    config: PromptsConfig,
    seed: int,
) -> Iterator[Finding]:
    task = TASKS.get(library.family(family).task)
    rows = task.rows(view, split_name)
    rows = rows[sampled(task.keys(view)[rows], ROWS, seed, "audit", family, split_name)]
    with_shots = config.model_copy(update={"shots": max(config.shots, SHOTS)})
    bare, shot = (
        EvaluationSource(
            view, library, family, split_name, template_ids=wordings, seed=seed, config=posed
        ).only(rows)
        for posed in (config.model_copy(update={"shots": 0}), with_shots)
    )
    yield from _late_histories(view, family, bare.rows)
    plainly, worked, coded = _Met(), _Met(), config.items == "codes"
    records = [bare.record(i) for i in range(0, len(bare), len(bare.templates))]
    for i in range(len(bare)):
        at, which = divmod(i, len(bare.templates))
        record, template = records[at], bare.templates[which]
        hidden = _hidden(view, record, template)
        others = {
            r.event: _hidden(view, r, template) - record.mentions - hidden
            for r in (records[(at + n) % len(records)] for n in range(1, OTHERS + 1))
        }
        _look(plainly, view, names, record, bare[i], hidden, others, coded)
        if not template.given & set(CHOICE):
            target = hidden & {record.item}
            _look(worked, view, names, record, shot[i], target, others, coded)
    yield from _told(view, family, split_name, plainly, "the question")
    if not plainly.named:
        yield from _told(view, family, split_name, worked, "a question after worked examples")


def _hidden(view: CorpusView, record: Record, template: Template) -> set[int]:
    """Items that a prompt may not name: met by its user in the part asked about or later alone."""
    log, split_name = view.corpus.interactions, view.corpus.split.of_event[record.event]
    events = np.arange(*log.offsets[[record.user, record.user + 1]])
    late = set(log.items[events[view.corpus.split.of_event[events] >= split_name]].tolist())
    before = view.corpus.split.of_event[events] < split_name
    late -= set(log.items[events[before & (events < record.event)]].tolist())
    if template.given & set(CHOICE):
        late -= set(record.candidates)
    if "item" in TASKS.get(record.task).given:  # the question is about it
        late.discard(record.item)
    return late


def _look(
    met: _Met,
    view: CorpusView,
    names: Names,
    record: Record,
    example: Example,
    hidden: set[int],
    others: Mapping[int, set[int]],
    coded: bool,
) -> None:
    """Notes whether the prompt names a hidden item, and whether one hidden in other questions."""
    text = f"{example.system}\n{example.source}"
    words = f" {plain(text)} "
    beside = sorted(record.mentions - hidden)

    def named(items: set[int]) -> bool:
        return any(names.named(words, item, lambda: beside) for item in items)

    met.asked.add(record.event)
    by_code = coded and any(view.names.ids[item] in text for item in hidden)
    if by_code or named(hidden):
        met.by_code |= by_code
        met.named.setdefault(record.event, text)
    met.fair |= {(record.event, event) for event, items in others.items() if named(items)}


def _told(
    view: CorpusView, family: str, split_name: str, met: _Met, what: str
) -> Iterator[Finding]:
    fair = len(met.fair) / OTHERS
    if not met.by_code and not too_many(len(met.named), max(fair, 1 / OTHERS**2)):
        return
    events = list(met.named)[:SHOWN]
    yield Finding(
        "leak",
        "2 target in a prompt",
        f"{family}, {split_name}: {what} names an item that the answer is to find or that its user met "
        f"only later, for {len(met.named)} of {len(met.asked)} events (by accident: {fair:.1f})",
        {"events": float(len(met.named)), "asked": float(len(met.asked))},
        shown(view.corpus, np.array(events), {"prompt": [met.named[e][-LONG:] for e in events]}),
    )


def _late_histories(view: CorpusView, family: str, rows: np.ndarray) -> Iterator[Finding]:
    """Events of a history that are not before the one asked about, in part and in time."""
    log, parts = view.corpus.interactions, view.corpus.split.of_event
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
