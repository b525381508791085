"""Tasks about points of a space, whose answers the data determine.

They follow the tasks of ELM (Tennenholtz et al. 2024, arXiv:2310.04475): a language model reads
the vector of an item, or of a user, and answers in words. The answers of the paper come from a
larger language model; these are computed from titles, attributes and training events.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from p5rec.core.types import SPLITS
from p5rec.data.points import Points

from .base import Task
from .fields import NO, YES, Record, Value
from .predictions import Answers
from .record_builder import Limits
from .view import CorpusView

COMPARED = ("point-title", "point-description")  # their texts are compared with the items' own
FIRST, SECOND = "the first", "the second"
NOTHING = "nothing"
NEIGHBOURS, MOST = 3, 3  # titles, and values, of an answer
METRICS = ("accuracy", "value F1")
OF_TEXTS = ("HR@10", "consistency")  # of texts that are compared with those of items


class Shown(NamedTuple):
    """The contents of a record.

    Attributes:
        points: field → its vector.
        answer: the answer.
        words: the other source fields.
        mentions: items that the answer names.
    """

    points: dict[str, np.ndarray]
    answer: str
    words: Mapping[str, Value] = {}
    mentions: Collection[int] = ()


Answer = Callable[[CorpusView, int, np.random.Generator], Shown]


def points_of(view: CorpusView) -> Points:
    """The space of a view that has one."""
    assert view.points is not None, "a corpus without points has no rows of these tasks"
    return view.points


def _rows(needs: str, view: CorpusView, split_name: str) -> np.ndarray:
    """The items of a split of the items, with what the task needs."""
    points = points_of(view)
    chosen = points.known_items & (points.item_split == SPLITS[split_name])
    if needs == "traits":
        chosen = chosen & np.array([bool(values) for values in view.facts.short_values])
    elif needs == "years":
        chosen = chosen & np.array([bool(decade) for decade in view.facts.decades])
    return np.flatnonzero(chosen)


def _user_rows(view: CorpusView, split_name: str) -> np.ndarray:
    points = points_of(view)
    return np.flatnonzero(points.known_users & (points.user_split == SPLITS[split_name]))


def _common(values: Sequence[str]) -> list[str]:
    """The most frequent of ``values``, in order."""
    return sorted({*values}, key=lambda value: (-values.count(value), value))[:MOST]


def tastes(view: CorpusView, user: int) -> list[str]:
    """The attribute values most common among the items that a user liked in training."""
    past = view.profile(user)
    liked = past[view.liked[past]]
    items = view.corpus.interactions.items[liked if len(liked) else past].tolist()
    return _common([value for item in items for value in view.facts.short_values[item]])


def record_text(view: CorpusView, item: int) -> str:
    """An item's record in words: its title, then ``attribute: values``."""
    return ". ".join(filter(None, (view.names.titles[item], view.attribute_text(item))))


def _joined(values: Sequence[str]) -> str:
    return ", ".join(values) or NOTHING


def _of_item(view: CorpusView, item: int) -> dict[str, np.ndarray]:
    return {"point": points_of(view).items[item]}


def _of_pair(view: CorpusView, item: int, other: int) -> dict[str, np.ndarray]:
    return {**_of_item(view, item), "other_point": points_of(view).items[other]}


def _title(view: CorpusView, item: int, rng: np.random.Generator) -> Shown:
    return Shown(_of_item(view, item), view.names.titles[item])


def _values(view: CorpusView, item: int, rng: np.random.Generator) -> Shown:
    """The short values of one of the item's attributes."""
    short = {*view.facts.short_values[item]}
    own = [(name, [v for v in values if v in short]) for name, values in view.attributes[item]]
    own = [each for each in own if each[1]]
    name, values = own[int(rng.integers(len(own)))]
    return Shown(_of_item(view, item), _joined(values), {"attribute": name.replace("_", " ")})


def _decade(view: CorpusView, item: int, rng: np.random.Generator) -> Shown:
    return Shown(_of_item(view, item), view.facts.decades[item])


def _drawn(view: CorpusView, rng: np.random.Generator, lacks: str = "") -> int:
    """A random trained item with values, if possible one without the value ``lacks``; -1: there is
    none."""
    trained, values = points_of(view).trained_items, view.facts.short_values
    for _ in range(20):
        other = int(trained[rng.integers(len(trained))])
        if values[other] and lacks not in values[other]:
            return other
    valued = [item for item in trained.tolist() if values[item]]  # few items have values
    lacking = [item for item in valued if lacks not in values[item]] or valued
    return int(lacking[rng.integers(len(lacking))]) if lacking else -1


def _has(view: CorpusView, item: int, rng: np.random.Generator) -> Shown:
    """Whether the item has a value: one of its own, or one of another item's."""
    source = item if rng.random() < 0.5 else _drawn(view, rng)
    values = view.facts.short_values[source if source >= 0 else item]
    trait = values[int(rng.integers(len(values)))]
    answer = YES if trait in view.facts.short_values[item] else NO
    return Shown(_of_item(view, item), answer, {"trait": trait})


def _more(view: CorpusView, item: int, rng: np.random.Generator) -> Shown:
    """Which of two items has a value that the other lacks."""
    values = view.facts.short_values[item]
    trait = values[int(rng.integers(len(values)))]
    other = _drawn(view, rng, lacks=trait)
    other = item if other < 0 else other
    first = rng.random() < 0.5
    pair = _of_pair(view, item, other) if first else _of_pair(view, other, item)
    return Shown(pair, FIRST if first else SECOND, {"trait": trait})


def _partner(view: CorpusView, item: int, rng: np.random.Generator) -> int:
    """A neighbour of the item, or any trained item."""
    near = points_of(view).neighbours[item]
    near = near[near >= 0]
    if len(near) and rng.random() < 0.5:
        return int(near[rng.integers(len(near))])
    return _drawn(view, rng)


def _shared(view: CorpusView, item: int, rng: np.random.Generator) -> Shown:
    other = _partner(view, item, rng)
    theirs = view.facts.short_values[other]
    both = [value for value in view.facts.short_values[item] if value in theirs]
    return Shown(_of_pair(view, item, other), _joined(both))


def _apart(view: CorpusView, item: int, rng: np.random.Generator) -> Shown:
    other = _partner(view, item, rng)
    theirs = view.facts.short_values[other]
    own = [value for value in view.facts.short_values[item] if value not in theirs]
    return Shown(_of_pair(view, item, other), _joined(own))


def _neighbours(view: CorpusView, item: int, rng: np.random.Generator) -> Shown:
    near = [n for n in points_of(view).neighbours[item][:NEIGHBOURS].tolist() if n >= 0]
    return Shown(_of_item(view, item), _joined([view.names.titles[n] for n in near]), {}, near)


def _midpoint(view: CorpusView, item: int, rng: np.random.Generator) -> Shown:
    """The trained item nearest to the mean of two points, other than both."""
    points, other = points_of(view), _partner(view, item, rng)
    mean = (points.items[item] + points.items[other])[None] / 2
    near = [n for n in points.nearest(mean, 3)[0].tolist() if n not in (item, other)]
    answer = view.names.titles[near[0]] if near else NOTHING
    return Shown(_of_pair(view, item, other), answer, {}, near[:1])


def _description(view: CorpusView, item: int, rng: np.random.Generator) -> Shown:
    return Shown(_of_item(view, item), record_text(view, item))


def _audience(view: CorpusView, item: int, rng: np.random.Generator) -> Shown:
    """The tastes of the users who liked the item in training."""
    fans = view.facts.fans(item)
    fans = fans[rng.permutation(len(fans))[:50]]
    common = _common([taste for user in fans.tolist() for taste in tastes(view, user)])
    return Shown(_of_item(view, item), _joined(common))


def _taste(view: CorpusView, user: int, rng: np.random.Generator) -> Shown:
    return Shown({"user_point": points_of(view).users[user]}, _joined(tastes(view, user)))


def _reasons(view: CorpusView, user: int, rng: np.random.Generator) -> Shown:
    """For and against an item: its values among the user's tastes, and its others."""
    item = _drawn(view, rng)
    liked = tastes(view, user)
    split = (
        [v for v in view.facts.short_values[item] if (v in liked) == good] for good in (True, False)
    )
    answer = "for: {}; against: {}".format(*map(_joined, split))
    return Shown({**_of_item(view, item), "user_point": points_of(view).users[user]}, answer)


def _build(
    name: str, answer: Answer, of: str, view: CorpusView, row: int, rng: np.random.Generator,
    limits: Limits,
) -> Record:  # fmt: skip
    shown = answer(view, row, rng)
    values: dict[str, Value] = {**dict.fromkeys(shown.points, ""), **shown.words}
    values["answer"] = limits.cut(shown.answer)
    item, user = (row, -1) if of == "items" else (-1, row)
    mentions = frozenset([*shown.mentions, *([item] if item >= 0 else [])])
    return Record(
        f"point-{name}", values, item=item, user=user, mentions=mentions, points=shown.points
    )


def _task(
    name: str, answer: Answer, source: tuple[str, ...], needs: str = "", of: str = "items"
) -> Task:
    return Task(
        name=f"point-{name}",
        predictions=Answers,
        capability="describe",
        metrics=OF_TEXTS if f"point-{name}" in COMPARED else METRICS,
        rows=partial(_rows, needs) if of == "items" else _user_rows,
        build=partial(_build, name, answer, of),
        source_fields=source,
        target_fields=("answer",),
        needs=(("points",), *(((needs,),) if needs else ())),
        of="items" if of == "items" else "users",
    )


PAIR = ("point", "other_point")
TITLE = _task("title", _title, ("point",))
VALUES = _task("values", _values, ("point", "attribute"), "traits")
DECADE = _task("decade", _decade, ("point",), "years")
HAS = _task("has", _has, ("point", "trait"), "traits")
MORE = _task("more", _more, (*PAIR, "trait"), "traits")
SHARED = _task("shared", _shared, PAIR, "traits")
APART = _task("apart", _apart, PAIR, "traits")
NEAR = _task("neighbours", _neighbours, ("point",))
MIDPOINT = _task("midpoint", _midpoint, PAIR, "traits")
DESCRIPTION = _task("description", _description, ("point",))
AUDIENCE = _task("audience", _audience, ("point",), "traits")
TASTE = _task("taste", _taste, ("user_point",), "traits", "users")
REASONS = _task("reasons", _reasons, ("user_point", "point"), "traits", "users")
