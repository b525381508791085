"""Masked language modelling over item metadata: which words of an item's text are hidden?

Spans of words are hidden, as in T5 (Raffel et al., JMLR 2020, arXiv:1910.10683): about 15 % of the
words, in spans of up to three. Names of attributes are never hidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .base import Task
from .fields import MASK, Record
from .predictions import Texts
from .record_builder import Limits
from .reviews import METRICS
from .view import CorpusView

SHARE, LONGEST = 0.15, 3  # of the words that are hidden; words of a span
WORD = re.compile(r"\w+(?:['’.-]\w+)*")


class Word(NamedTuple):
    """A word that may be hidden.

    Attributes:
        piece: number of the title or attribute that it is in.
        start, stop: its characters in the text.
    """

    piece: int
    start: int
    stop: int


def item_words(view: CorpusView, item: int, limits: Limits) -> tuple[str, list[Word]]:
    """An item's text, ``title; attribute: values; ...``, and its words that may be hidden."""
    text, words = "", list[Word]()
    named = [("", (view.names.titles[item],)), *view.attributes[item]]
    for piece, (name, values) in enumerate(named):
        text += f"; {name.replace('_', ' ')}: " if name else ""
        value = ", ".join(values)
        words += [
            Word(piece, len(text) + found.start(), len(text) + found.end())
            for found in WORD.finditer(value)
        ]
        text += value
    end = max([len(limits.cut(text)), *(word.stop for word in words[:2])])
    return text[:end], [word for word in words if word.stop <= end]


def spans(words: list[Word], rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Characters of the hidden spans, in order; each is inside the title or one attribute.

    Args:
        words: at least 2.
        rng: of the spans.
    """
    count = max(1, round(SHARE * len(words) * 2 / (1 + LONGEST)))
    for part in np.array_split(np.arange(len(words)), count):
        length = min(int(rng.integers(1, LONGEST + 1)), len(part) - 1)
        first = int(part[rng.integers(0, len(part) - length + 1)])
        chosen = words[first : first + length]
        inside = [word for word in chosen if word.piece == chosen[0].piece]
        yield inside[0].start, inside[-1].stop


def _rows(view: CorpusView, split_name: str) -> np.ndarray:
    # every item of the item table may train; evaluation uses the items of the split
    rows = np.arange(len(view.names.ids))
    if split_name != "train":
        rows = np.unique(view.corpus.interactions.items[view.targets(split_name)])
    several = [len(item_words(view, item, Limits())[1]) > 1 for item in rows.tolist()]
    return rows[np.array(several, dtype=bool)]


def _masked(view: CorpusView, item: int, rng: np.random.Generator, limits: Limits) -> Record:
    text, words = item_words(view, item, limits)
    shown, hidden, end = "", [], 0
    for start, stop in spans(words, rng):
        shown += text[end:start] + MASK
        hidden.append(text[start:stop])
        end = stop
    values = {"masked_text": shown + text[end:], "masked_words": "; ".join(hidden)}
    return Record("masked-words", values, item=item, mentions=frozenset([item]))


MASKED_WORDS = Task(
    name="masked-words",
    predictions=Texts,
    capability="write",
    metrics=METRICS,
    source_fields=("masked_text",),
    target_fields=("masked_words",),
    rows=_rows,
    build=_masked,
    of="items",
)
