"""A prompt family put to a trained model about held-out rows: what was asked, what it said."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from p5rec.core.config import Config
from p5rec.core.rng import sampled
from p5rec.core.types import Example
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.decode.grammar import Grammar, choice
from p5rec.models.checkpoint import Bundle
from p5rec.models.inputs import Question
from p5rec.models.ratings import TASK
from p5rec.models.titles import name_rows
from p5rec.prompting import tasks
from p5rec.prompting.evaluation import EvaluationSource
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.parse import VERDICTS
from p5rec.prompting.source import PromptsConfig
from p5rec.prompting.template import UNSEEN
from p5rec.prompting.view import CorpusView, decimal

from .answers import encode_all, fit_all, rank_answers, write
from .config import DecodeConfig
from .ratings import chance_of_yes, rate, rating_histories

YES = "yes"  # what the chance of a yes-or-no answer is of
VERDICT = Grammar.of(choice(VERDICTS))  # all that an answer of yes or no can be


class FamilyAnswers(Config):
    """B questions of one family and the answers, as plain data.

    Attributes:
        family: its name, or ``dense-rating`` where ratings were read off histories.
        task: what it asks; families of one task are measured together.
        form: tells this form of the task from others that the model was asked in; empty: none.
        unseen: the wording is one that no training row had; the task says so too.
        answer: the type of its answers: item, options, rating, yesno, text.
        prompt_ids: wordings used.
        users, items, events: rows each question is about; -1 where none.
        expected: the right answers in words.
        max_words: of a review or an answer, where it was cut.
        ratings: the ratings given, where the family has them.
        texts: written answers; empty where items were ranked, or words were not taught.
        readings: of a rating, what each reading but the text says (see
            ``p5rec.recommend.ratings``).
        chances: of yes, or by reading of a rating that says the item was liked; empty where no
            probability was asked for.
        lists, scores: ranked items, best first, -1 where a list ended.
        seconds: all answers together.
        tokens: of all questions.
        shortened, cut: questions that were too long: made to show less, and of these and others
            such as lost words (see ``p5rec.models.inputs.Question``).
    """

    family: str
    task: str
    form: str = ""
    unseen: bool = False
    answer: str
    prompt_ids: tuple[str, ...]
    users: list[int]
    items: list[int]
    events: list[int]
    expected: list[str]
    max_words: int = PromptsConfig().max_words
    ratings: list[float] = []
    texts: list[str] = []
    readings: dict[str, list[float]] = {}
    chances: dict[str, list[float]] = {}
    lists: list[list[int]] = []
    scores: list[list[float]] = []
    seconds: float = 0.0
    tokens: int = 0
    shortened: int = 0
    cut: int = 0


def task_of(bundle: Bundle, family: str) -> str:
    """The task that a family asks, by its name; ``dense-rating`` asks what ``rating`` does."""
    library = PromptLibrary.from_dump(bundle.prompts)
    return "rating" if family == TASK else library.family(family).task


def ask(
    bundle: Bundle,
    view: CorpusView,
    family: str,
    part: str,
    n: int,
    decode: DecodeConfig,
    seed: int,
    *,
    unseen: bool = False,
) -> FamilyAnswers:
    """Puts a wording of a family to the model about ``n`` seeded rows of ``part``.

    It is the first of those that were taught, or the first that no training row had. Tasks that
    can be asked about the same rows are. A model that knows no item codes, having not been
    trained, gets the first wording without them, unless its prompts write titles in their place.
    ``dense-rating`` asks for ratings at the end of histories, without a wording.
    """
    started = time.perf_counter()
    if family == TASK:
        kind = "rating"
        examples = _at_histories(view, part, n, seed)
        asked = [
            Question(ids) for ids in rating_histories(bundle, view, [e.event for e in examples])
        ]
        found = _rate(bundle, [question.ids for question in asked], decode)
    else:
        source = _source(bundle, view, family, part, n, seed, unseen)
        kind = source.templates[0].answer
        examples = list(source)
        asked = fit_all(bundle, examples)
        found = _answers(bundle, view, kind, source, examples, decode, seed)
    return FamilyAnswers(
        family=family,
        task=task_of(bundle, family) + (UNSEEN if unseen else ""),
        unseen=unseen,
        answer=kind,
        prompt_ids=tuple(sorted({e.prompt_id for e in examples} - {""})),
        users=[e.user for e in examples],
        items=[e.item for e in examples],
        events=[e.event for e in examples],
        expected=[e.target for e in examples],
        max_words=bundle.settings.prompts.max_words,
        ratings=[e.rating for e in examples if e.rating is not None],
        seconds=round(time.perf_counter() - started, 3),
        tokens=sum(len(question.ids) for question in asked),
        shortened=sum(question.shortened for question in asked),
        cut=sum(question.cut for question in asked),
        **found,
    )


def unseen_wordings(bundle: Bundle, view: CorpusView, families: Iterable[str]) -> list[str]:
    """Those of ``families`` that have a wording which no training row had."""
    library = PromptLibrary.from_dump(bundle.prompts)
    return [f for f in families if f != TASK and library.fitting(f, view, unseen=True)]


def drawn(rows: np.ndarray, keys: np.ndarray, n: int, seed: int) -> np.ndarray:
    """A seeded draw of at most ``n`` of ``rows (R,)``, in their order.

    Args:
        keys: ``(R,)`` uint64, of the events or items that the rows are about.
    """
    return rows[sampled(keys, n, seed, "ask")]


def _source(
    bundle: Bundle, view: CorpusView, family: str, part: str, n: int, seed: int, unseen: bool
) -> EvaluationSource:
    library, settings = PromptLibrary.from_dump(bundle.prompts), bundle.settings
    fitting = library.fitting(family, view, unseen=unseen)
    reads = settings.trained or settings.prompts.items == "title"
    chosen = [t.full_id for t in fitting if reads or not t.names_codes][:1]
    given: Any = {"template_ids": chosen, "seed": seed, "config": settings.prompts}
    source = EvaluationSource(view, library, family, part, **given)
    rows = drawn(source.rows, source.keys, n, seed)
    return EvaluationSource(view, library, family, part, rows=rows, **given)


def _at_histories(view: CorpusView, part: str, n: int, seed: int) -> list[Example]:
    """What ``dense-rating`` is asked about: the rows of the task ``rating``, without words."""
    log = view.corpus.interactions
    assert log.ratings is not None, "checked before anything was trained"
    rows = tasks.get("rating").rows(view, part)
    rows = drawn(rows, log.event_keys[rows], n, seed)
    return [
        Example("", f"{rating:g}", TASK, "", rating, int(log.users[row]), int(log.items[row]), row)
        for row in rows.tolist()
        for rating in [decimal(log.ratings[row])]
    ]


def _answers(
    bundle: Bundle,
    view: CorpusView,
    kind: str,
    source: EvaluationSource,
    examples: list[Example],
    decode: DecodeConfig,
    seed: int,
) -> dict[str, Any]:
    if kind in ("item", "options"):
        allowed = _allowed(source, view, kind, len(examples))
        in_words = bundle.settings.prompts.items == "title"
        names = name_rows(bundle.tokenizer, view.names.ids) if in_words else None
        items, scores = rank_answers(bundle, examples, decode, seed, allowed, source.keys, names)
        return {"lists": items.tolist(), "scores": np.nan_to_num(scores, neginf=-1e9).tolist()}
    if kind == "rating":
        found = _rate(bundle, encode_all(bundle, examples), decode)
        free = bool(found["texts"]) and not decode.closed
        return found | ({"texts": write(bundle, examples, decode)} if free else {})
    if kind == "yesno" and decode.closed:
        chances = chance_of_yes(bundle, encode_all(bundle, examples), decode)
        written = write(bundle, examples, decode, VERDICT)
        return {"texts": written, "chances": {YES: chances.tolist()}}
    return {"texts": write(bundle, examples, decode)}


def _rate(bundle: Bundle, prompts: list[np.ndarray], decode: DecodeConfig) -> dict[str, Any]:
    rated = rate(bundle, prompts, decode)
    readings, chances = ({name: said.tolist() for name, said in each.items()} for each in rated)
    texts = [f"{said:g}" for said in readings.pop("text", [])]
    return {"texts": texts, "readings": readings, "chances": chances}


def _allowed(source: EvaluationSource, view: CorpusView, kind: str, n: int) -> Allowed:
    """Which items each question may be answered with: its options, or all that are new."""
    records = [source.record(i) for i in range(n)]
    if kind == "options":
        return Allowed(only=ItemLists.joined([list(r.candidates) for r in records]))
    items = view.corpus.interactions.items
    past = [items[view.past(r.event)] if r.event >= 0 else [] for r in records]
    return Allowed(never=ItemLists.joined(past))
