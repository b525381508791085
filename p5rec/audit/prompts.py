"""Leak 2: the target, or another held-out item of the user, in the prompts of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from p5rec.core.examples import Example
from p5rec.core.rng import sampled
from p5rec.prompting.instances import EvaluationSource
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import PromptsConfig
from p5rec.prompting.template import Template
from p5rec.tasks.fields import Record
from p5rec.tasks.record_builder import CHOICE
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView

from .findings import MAX_EVIDENCE, Finding, evidence_of, too_many
from .repeats import plain
from .side_texts import Names

MAX_EVENTS = 20  # sampled events of each family and split, each with all prompt templates
OTHERS = 5  # other queries whose hidden items give the rate of accidental mentions
SHOTS = 2  # minimum number of worked examples in few-shot prompts
EXCERPT = 300  # characters of a prompt in the evidence
CHOSEN = {*CHOICE, "candidate_lines"}  # fields with candidates, the targets among them


@dataclass
class _Mentions:
    """Events whose prompts mention a hidden item, counted once for all templates.

    Attributes:
        queried: all events.
        named: event to a prompt that mentions a hidden item.
        by_code: whether a prompt mentions one by its code, which is never accidental.
        accidental: pairs of an event and another event whose hidden items its prompt mentions.
    """

    queried: set[int] = field(default_factory=set)
    named: dict[int, str] = field(default_factory=dict)
    by_code: bool = False
    accidental: set[tuple[int, int]] = field(default_factory=set)


def audit_prompts(
    view: CorpusView, library: PromptLibrary, config: PromptsConfig | None = None, seed: int = 0
) -> list[Finding]:
    """Audits the rendered prompts of every template of every family on held-out events.

    Prompts of item tasks may not mention the target, unless it is among the options. No prompt may
    mention an item whose first event of the user is in the queried split or later, and no worked
    example may mention the target. The search is by code, where items have codes, and by title. A
    title inside another mentioned title does not count, nor does a number of mentions that is
    expected by accident.

    Args:
        view: the corpus and the names of its items.
        library: the prompt templates.
        config: the prompt settings; few-shot prompts have at least ``SHOTS`` worked examples.
        seed: seed of the sampled events and of the rendering.
    """
    config = config or PromptsConfig()
    names = Names.of(view.corpus)
    findings: list[Finding] = []
    for family in library.families():
        task = library.family(family).task
        for split_name in ("valid", "test"):
            spec = TASKS.get(task)
            if spec.of != "events" or spec.unavailable(view, split_name):
                continue
            fitting = [t.full_id for t in library.fitting(family, view)]
            if fitting:
                findings += _family(view, names, library, family, split_name, fitting, config, seed)
    return findings


def _family(
    view: CorpusView,
    names: Names,
    library: PromptLibrary,
    family: str,
    split_name: str,
    template_ids: list[str],
    config: PromptsConfig,
    seed: int,
) -> Iterator[Finding]:
    task = TASKS.get(library.family(family).task)
    rows = task.rows(view, split_name)
    rows = rows[sampled(task.keys(view)[rows], MAX_EVENTS, seed, "audit", family, split_name)]
    with_shots = config.model_copy(update={"shots": max(config.shots, SHOTS)})
    bare, shot = (
        EvaluationSource(
            view, library, family, split_name, template_ids=template_ids, seed=seed, config=prompts
        ).select(rows)
        for prompts in (config.model_copy(update={"shots": 0}), with_shots)
    )
    yield from _late_histories(view, family, bare.rows)
    zero_shot, few_shot, coded = _Mentions(), _Mentions(), config.items == "codes"
    records = [bare.record(i) for i in range(0, len(bare), len(bare.templates))]
    for i in range(len(bare)):
        at, which = divmod(i, len(bare.templates))
        record, template = records[at], bare.templates[which]
        hidden = _hidden(view, record, template)
        others = {
            r.event: _hidden(view, r, template) - record.mentions - hidden
            for r in (records[(at + n) % len(records)] for n in range(1, OTHERS + 1))
        }
        _search(zero_shot, view, names, record, bare[i], hidden, others, coded)
        if not template.source_fields & CHOSEN:
            target = hidden & {record.item}
            _search(few_shot, view, names, record, shot[i], target, others, coded)
    yield from _leaks(view, family, split_name, zero_shot, "the prompt")
    if not zero_shot.named:
        yield from _leaks(view, family, split_name, few_shot, "the prompt with worked examples")


def _hidden(view: CorpusView, record: Record, template: Template) -> set[int]:
    """Items that a prompt may not mention: their first event is in the queried split or later."""
    log, split_name = view.corpus.interactions, view.corpus.split.of_event[record.event]
    events = np.arange(*log.offsets[[record.user, record.user + 1]])
    late = set(log.items[events[view.corpus.split.of_event[events] >= split_name]].tolist())
    before = view.corpus.split.of_event[events] < split_name
    late -= set(log.items[events[before & (events < record.event)]].tolist())
    if template.source_fields & CHOSEN:
        late -= set(record.candidates)
    if "item" in TASKS.get(record.task).source_fields:  # the query is about it
        late.discard(record.item)
    return late


def _search(
    mentions: _Mentions,
    view: CorpusView,
    names: Names,
    record: Record,
    example: Example,
    hidden: set[int],
    others: Mapping[int, set[int]],
    coded: bool,
) -> None:
    """Records whether the prompt mentions a hidden item, of its own query or of others."""
    text = f"{example.system}\n{example.source}"
    words = f" {plain(text)} "
    mentioned = sorted(record.mentions - hidden)

    def named(items: set[int]) -> bool:
        return any(names.named(words, item, lambda: mentioned) for item in items)

    mentions.queried.add(record.event)
    by_code = coded and any(view.names.ids[item] in text for item in hidden)
    if by_code or named(hidden):
        mentions.by_code |= by_code
        mentions.named.setdefault(record.event, text)
    mentions.accidental |= {
        (record.event, event) for event, items in others.items() if named(items)
    }


def _leaks(
    view: CorpusView, family: str, split_name: str, mentions: _Mentions, subject: str
) -> Iterator[Finding]:
    expected = len(mentions.accidental) / OTHERS
    if not mentions.by_code and not too_many(len(mentions.named), max(expected, 1 / OTHERS**2)):
        return
    events = list(mentions.named)[:MAX_EVIDENCE]
    yield Finding(
        "leak",
        "2 target in a prompt",
        f"{family}, {split_name}: {subject} mentions the target or an item of a later event, for "
        f"{len(mentions.named)} of {len(mentions.queried)} events (by accident: {expected:.1f})",
        {"events": float(len(mentions.named)), "queried": float(len(mentions.queried))},
        evidence_of(
            view.corpus,
            np.array(events),
            {"prompt": [mentions.named[e][-EXCERPT:] for e in events]},
        ),
    )


def _late_histories(view: CorpusView, family: str, rows: np.ndarray) -> Iterator[Finding]:
    """Events of a history that are not before the queried event, in split and in time."""
    log, splits = view.corpus.interactions, view.corpus.split.of_event
    wrong = [
        row
        for row in rows.tolist()
        for past in [view.past(row)]
        if ((splits[past] >= splits[row]) | (log.times[past] > log.times[row])).any()
    ]
    if wrong:
        yield Finding(
            "leak",
            "2 held-out events in a history",
            f"{family}: {len(wrong):,} of {len(rows):,} histories have events of the queried split "
            "or later ones",
            {"histories": float(len(wrong))},
            evidence_of(view.corpus, np.array(wrong)),
        )
