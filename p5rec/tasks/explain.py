"""What an explanation says, where the data hold none of their own.

With review texts, the sentence of the review that shares most words with the item's own record
stands for the explanation. Without, one is **constructed** from the item's record and the items
the user liked before: it claims nothing that these do not hold, and is no record of what anyone
said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from .view import CorpusView

SENTENCE = re.compile(r"(?<=[.!?])\s+")
WORD = re.compile(r"\w+")
SHORT, LONG = 4, 30  # words of a sentence that can stand alone

SHARED = (
    "You liked {liked}, and {title} is also {traits}.",
    "{title} is {traits}, as is what you liked before: {liked}.",
    "Since {liked} suited you, {title} may too: again it is {traits}.",
    "{liked} and this one have something in common: {title} is {traits} as well.",
)
NEW = (
    "{title} is {traits}, which is a change from {liked}, which you liked.",
    "After {liked}, which you liked, here is something different: {title} is {traits}.",
)


def quoted(review: str, title: str, attributes: str, max_words: int) -> str:
    """The sentence of ``review`` that shares most words with the item's title and attributes.

    The earliest wins a tie. A review without a sentence of 4 to 30 words is cut at 30.
    """
    own = set(WORD.findall(f"{title} {attributes}".lower()))
    fitting = [s for s in SENTENCE.split(review) if SHORT <= len(s.split()) <= LONG]
    if not fitting:
        return " ".join(review.split()[: min(LONG, max_words)])
    return max(fitting, key=lambda s: len(own & set(WORD.findall(s.lower()))))


def grounded(view: CorpusView, item: int, liked: Sequence[int], rng: np.random.Generator) -> str:
    """A constructed sentence that ties ``item`` to the liked items that share most traits with it.

    Empty for an item without a trait, of which nothing can be said.

    Args:
        view: the corpus.
        item: the item to explain.
        liked: items the user liked before, most recent first.
        rng: draws the wording.
    """
    traits = view.traits[item]
    if not traits:
        return ""
    shared = [tuple(t for t in traits if t in view.traits[other]) for other in liked]
    best = max(range(len(liked)), key=lambda i: len(shared[i]))
    common = shared[best][:3]
    if not common:
        return _say(NEW, view, item, liked[:1], traits[:3], rng)
    also = [
        other
        for other, ones in zip(liked, shared, strict=True)
        if other != liked[best] and set(common) <= set(ones)
    ]
    return _say(SHARED, view, item, [liked[best], *also[:1]], common, rng)


def _say(
    wordings: Sequence[str],
    view: CorpusView,
    item: int,
    liked: Sequence[int],
    traits: Sequence[str],
    rng: np.random.Generator,
) -> str:
    # str.format reads the braces of the wording alone: titles go in as they are
    return wordings[int(rng.integers(len(wordings)))].format(
        title=_quote(view, item),
        liked=_list([_quote(view, other) for other in liked]),
        traits=_list(traits),
    )


def _quote(view: CorpusView, item: int) -> str:
    return f'"{view.names.titles[item]}"'


def _list(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
