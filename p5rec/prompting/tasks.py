"""The tasks: which rows each can be posed about, which fields a record offers, how they are built.

A template's source may use a task's *given* fields alone and its target the *answers* alone, so
no wording can put the answer into the question. The user's external id is no field of any task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from p5rec.core.errors import UserError, did_you_mean

from . import explain
from .draft import CHOICE, HISTORY, ITEM, LIKED, STARS, Draft, Limits
from .fields import DATA, FIELDS, Answer, Record
from .view import CorpusView, decimal

Rows = Callable[[CorpusView, str], np.ndarray]
Build = Callable[[CorpusView, int, np.random.Generator, Limits], Record]


@dataclass(frozen=True)
class Task:
    """One kind of question.

    Attributes:
        answer: the type of the answer.
        given, answers: fields a source, and a target, may use.
        rows: ``(view, part) → (R,)`` the event rows (item rows where ``of_items``) to pose.
        build: the record of one of them.
        needs: groups of data; the corpus must hold one of each group.
        of_items: posed about items, not events.
    """

    answer: Answer
    given: tuple[str, ...]
    answers: tuple[str, ...]
    rows: Rows
    build: Build
    needs: tuple[tuple[str, ...], ...] = ()
    of_items: bool = False

    def absent(self, view: CorpusView) -> frozenset[str]:
        """The fields that the corpus cannot offer."""
        offered = (*self.given, *self.answers)
        return frozenset(n for n in offered if FIELDS[n].needs and FIELDS[n].needs not in view.has)

    def keys(self, view: CorpusView) -> np.ndarray:
        """The keys of all events, ``(E,)``, or of all items, ``(N,)``: of every row there is."""
        log = view.corpus.interactions
        return log.item_keys if self.of_items else log.event_keys


def get(name: str) -> Task:
    """The task ``name``.

    Raises:
        UserError: no such task.
    """
    if name not in TASKS:
        raise UserError(f"expected a known task, got {name!r}; {did_you_mean(name, TASKS)}")
    return TASKS[name]


def unavailable(name: str, view: CorpusView, part: str = "train") -> str | None:
    """Why the task cannot be posed over this corpus, None where it can."""
    task = get(name)
    for group in task.needs:
        if not view.has.intersection(group):
            return f"{name} needs {' or '.join(DATA[d] for d in group)}, and the data have none"
    if not len(task.rows(view, part)):
        return f"{name}: no {'item' if task.of_items else f'{part} event'} can be posed"
    return None


def _rating_rows(view: CorpusView, part: str) -> np.ndarray:
    return np.flatnonzero(view.targets(part) & view.rated)


def _rating(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    log, scale = view.corpus.interactions, view.scale
    if log.ratings is None or scale is None:
        raise ValueError("a rating record is asked of a corpus without ratings")
    item, rating = int(log.items[event]), decimal(log.ratings[event])
    draft = Draft(view, limits)
    draft.item(item)
    shown = draft.history(event)
    past = view.past(event)
    rated, known = shown[view.rated[shown]], past[view.rated[past]]
    scores = [format(float(r), "g") for r in log.ratings[rated]]
    pairs = list(zip(log.items[rated].tolist(), scores, strict=True))
    item_mean, item_count = view.item_ratings(np.array([event]))[0].tolist()
    draft.values |= {
        "rated_titles": tuple((view.names.titles[i], score) for i, score in pairs),
        "rated_items": tuple((view.names.ids[i], score) for i, score in pairs),
        "user_mean": round(float(log.ratings[known].mean()) if len(known) else view.mean, 1),
        "user_count": len(known),
        "item_mean": round(item_mean, 2),
        "item_count": int(item_count),
        "lowest": scale.low,
        "highest": scale.high,
        "rating": rating,
    }
    return replace(draft.record("rating", event, item), rating=rating)


def _next_rows(view: CorpusView, part: str) -> np.ndarray:
    # a training target that is already in the history would teach to repeat what lists leave out
    targets = view.targets(part)
    return np.flatnonzero(targets & view.first if part == "train" else targets)


def _next(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    item = int(view.corpus.interactions.items[event])
    draft = Draft(view, limits)
    draft.history(event)
    draft.target(item)
    return draft.record("sequential-next", event, item)


def _pick(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    log = view.corpus.interactions
    item = int(log.items[event])
    draft = Draft(view, limits)
    draft.history(event)
    draft.target(item)
    candidates = draft.choice(int(log.users[event]), item, rng)
    return replace(draft.record("sequential-candidates", event, item), candidates=candidates)


def _yesno(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    log = view.corpus.interactions
    draft = Draft(view, limits)
    draft.history(event)
    others = view.sample_negatives(int(log.users[event]), 1, rng) if rng.random() < 0.5 else []
    item = others[0] if others else int(log.items[event])
    draft.item(item)
    draft.values["verdict"] = "no" if others else "yes"
    return draft.record("sequential-yesno", event, item)


def _direct(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    log = view.corpus.interactions
    item = int(log.items[event])
    draft = Draft(view, limits)
    draft.liked(event, rng)
    draft.target(item)
    candidates = draft.choice(int(log.users[event]), item, rng)
    return replace(draft.record("direct", event, item), candidates=candidates)


def _explanation_rows(view: CorpusView, part: str) -> np.ndarray:
    if "review" in view.has:
        return _review_rows(view, part)
    told = np.array([bool(traits) for traits in view.traits])[view.corpus.interactions.items]
    new = view.first & (view.depth > 0)
    return np.flatnonzero(view.targets(part) & view.liked & new & told)


def _explanation(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    item = int(view.corpus.interactions.items[event])
    draft = Draft(view, limits)
    draft.item(item)
    recent = draft.liked(event, rng)
    draft.ratings(event)
    title, attributes = view.names.titles[item], view.attribute_text(item)
    draft.values["explanation"] = (
        explain.quoted(view.text("review", event), title, attributes, limits.max_words)
        if "review" in view.has
        else explain.grounded(view, item, recent, rng)
    )
    return draft.record("explanation", event, item)


def _review_rows(view: CorpusView, part: str) -> np.ndarray:
    # no past is needed: most people who write write once
    return np.flatnonzero(view.corpus.split.mask(part) & view.filled("review"))


def _review(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    item = int(view.corpus.interactions.items[event])
    draft = Draft(view, limits)
    draft.item(item)
    draft.ratings(event)
    draft.values["headline"] = limits.cut(view.text("summary", event))
    draft.values["review"] = limits.cut(view.text("review", event))
    return draft.record("review", event, item)


def _summary_rows(view: CorpusView, part: str) -> np.ndarray:
    rows = _review_rows(view, part)
    return rows[view.filled("summary")[rows]]


def _summary(view: CorpusView, event: int, rng: np.random.Generator, limits: Limits) -> Record:
    item = int(view.corpus.interactions.items[event])
    draft = Draft(view, limits)
    draft.item(item)
    draft.ratings(event)
    draft.values["review"] = limits.cut(view.text("review", event))
    draft.values["summary"] = limits.cut(view.text("summary", event))
    return draft.record("summary", event, item)


def _item_rows(view: CorpusView, part: str) -> np.ndarray:
    # the item table is no interaction: every item may train; evaluation asks for the part's items
    if part == "train":
        return np.arange(len(view.names.ids))
    return np.unique(view.corpus.interactions.items[view.targets(part)])


def _item(task: str) -> Build:
    def build(view: CorpusView, item: int, rng: np.random.Generator, limits: Limits) -> Record:
        draft = Draft(view, limits)
        draft.item(item)
        return Record(task, draft.values, item=item, mentions=frozenset([item]))

    return build


_RATED = (
    "rated_titles", "rated_items", "user_mean", "user_count", "item_mean", "item_count", "lowest",
    "highest",
)  # fmt: skip

TASKS: Mapping[str, Task] = {
    "rating": Task(
        "rating", (*ITEM, *HISTORY, *_RATED), ("rating",), _rating_rows, _rating, (("ratings",),)
    ),
    "sequential-next": Task("item", HISTORY, ("target",), _next_rows, _next),
    "sequential-candidates": Task(
        "options", (*HISTORY, *CHOICE), ("target", "target_title"), _next_rows, _pick
    ),
    "sequential-yesno": Task("yesno", (*ITEM, *HISTORY), ("verdict",), _next_rows, _yesno),
    "direct": Task("item", (*LIKED, *CHOICE), ("target",), _next_rows, _direct),
    "explanation": Task(
        "text",
        (*ITEM, *LIKED, *STARS),
        ("explanation",),
        _explanation_rows,
        _explanation,
        (("review", "attributes"),),
    ),
    "review": Task(
        "text", (*ITEM, *STARS, "headline"), ("review",), _review_rows, _review, (("review",),)
    ),
    "summary": Task(
        "text",
        (*ITEM, *STARS, "review"),
        ("summary",),
        _summary_rows,
        _summary,
        (("review",), ("summary",)),
    ),
    "item-text-to-id": Task(
        "item", ("title", "attributes"), ("item",), _item_rows, _item("item-text-to-id"),
        of_items=True,
    ),
    "item-id-to-text": Task(
        "text", ("item",), ("title", "attributes"), _item_rows, _item("item-id-to-text"),
        of_items=True,
    ),
}  # fmt: skip
