"""A prompt family put to a trained model about held-out rows: what was asked, what it said."""

from __future__ import annotations

import time
from typing import Any, Literal

import numpy as np

from p5rec.core.config import Config
from p5rec.core.rng import derive_rng
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.decode.grammar import Grammar, choice
from p5rec.models.checkpoint import Bundle
from p5rec.models.ratings import TASK
from p5rec.prompting.evaluation import EvaluationSource
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.parse import VERDICTS
from p5rec.prompting.view import CorpusView

from .answers import encode_all, rank_answers, rate, write
from .config import DecodeConfig
from .ratings import rating_histories


class FamilyAnswers(Config):
    """B questions of one family and the answers, as plain data.

    Attributes:
        family: its name.
        answer: the type of its answers: item, options, rating, yesno, text.
        prompt_ids: wordings used.
        users, items, events: rows each question is about; -1 where none.
        expected: the right answers in words.
        ratings: the ratings given, where the family has them.
        texts: written answers; empty where items were ranked.
        predictions: what the rating heads said.
        heads_read: what they said it of: the prompted question, or the history (see
            ``p5rec.recommend.ratings``).
        lists, scores: ranked items, best first, -1 where a list ended.
        seconds: all answers together.
    """

    family: str
    answer: str
    prompt_ids: tuple[str, ...]
    users: list[int]
    items: list[int]
    events: list[int]
    expected: list[str]
    ratings: list[float] = []
    texts: list[str] = []
    predictions: list[float] = []
    heads_read: Literal["question", "history"] = "question"
    lists: list[list[int]] = []
    scores: list[list[float]] = []
    seconds: float = 0.0


def ask(
    bundle: Bundle,
    view: CorpusView,
    family: str,
    part: str,
    n: int,
    decode: DecodeConfig,
    seed: int,
) -> FamilyAnswers:
    """Puts a family's first seen wording to the model about ``n`` seeded rows of ``part``."""
    library = PromptLibrary.from_dump(bundle.prompts)
    settings: Any = {"seed": seed, "config": bundle.settings.prompts}
    source = EvaluationSource(view, library, family, part, **settings)
    rows = np.sort(derive_rng(seed, "ask", family).permutation(source.rows)[:n])
    source = EvaluationSource(view, library, family, part, rows=rows, **settings)
    examples = list(source)
    started = time.perf_counter()
    kind = library.family(family).answer
    found: dict[str, Any] = {}
    if kind in ("item", "options"):
        allowed = _allowed(source, view, kind, len(examples))
        items, scores = rank_answers(bundle, examples, decode, seed, allowed)
        found = {"lists": items.tolist(), "scores": np.nan_to_num(scores, neginf=-1e9).tolist()}
    else:
        grammar = _grammar(bundle, kind) if decode.closed else None
        found["texts"] = write(bundle, examples, decode, grammar)
        if kind == "rating" and bundle.model.heads is not None:
            by_history = TASK in bundle.settings.tasks
            prompts = (
                rating_histories(bundle, view, [e.event for e in examples])
                if by_history
                else encode_all(bundle, examples)
            )
            found["predictions"] = rate(bundle, prompts, decode).tolist()
            found["heads_read"] = "history" if by_history else "question"
    return FamilyAnswers(
        family=family,
        answer=kind,
        prompt_ids=tuple(sorted({e.prompt_id for e in examples})),
        users=[e.user for e in examples],
        items=[e.item for e in examples],
        events=[e.event for e in examples],
        expected=[e.target for e in examples],
        ratings=[e.rating for e in examples if e.rating is not None],
        seconds=round(time.perf_counter() - started, 3),
        **found,
    )


def _allowed(source: EvaluationSource, view: CorpusView, kind: str, n: int) -> Allowed:
    """Which items each question may be answered with: its options, or all that are new."""
    records = [source.record(i) for i in range(n)]
    if kind == "options":
        return Allowed(only=ItemLists.joined([list(r.candidates) for r in records]))
    items = view.corpus.interactions.items
    past = [items[view.past(r.event)] if r.event >= 0 else [] for r in records]
    return Allowed(never=ItemLists.joined(past))


def _grammar(bundle: Bundle, kind: str) -> Grammar | None:
    """All that an answer of this kind can be; None for free text."""
    answers = {"yesno": list(VERDICTS), "rating": [f"{r:g}" for r in bundle.settings.scale]}
    return Grammar.of(choice(answers[kind])) if answers.get(kind) else None
