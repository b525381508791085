"""Explanations for data without explanations of their own.

With review texts, the explanation is the review sentence that shares most words with the item's
title and attributes. Without review texts, a sentence is **constructed** from the attributes of the
item and of the items that the user liked before. It states only facts from these attributes, and no
user wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from .view import CorpusView

SENTENCE = re.compile(r"(?<=[.!?])\s+")
WORD = re.compile(r"\w+")
SHORT, LONG = 4, 30  # words of a self-contained sentence

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


def review_sentence(review: str, title: str, attributes: str, max_words: int) -> str:
    """The sentence of ``review`` that shares most words with the item's title and attributes.

    Ties go to the earliest sentence. A review without a sentence of 4 to 30 words is cut at 30.
    """
    own = set(WORD.findall(f"{title} {attributes}".lower()))
    fitting = [s for s in SENTENCE.split(review) if SHORT <= len(s.split()) <= LONG]
    if not fitting:
        return " ".join(review.split()[: min(LONG, max_words)])
    return max(fitting, key=lambda s: len(own & set(WORD.findall(s.lower()))))


def attribute_sentence(
    view: CorpusView, item: int, liked: Sequence[int], rng: np.random.Generator
) -> str:
    """A constructed sentence about the traits that ``item`` shares with liked items.

    Empty for an item without traits.

    Args:
        view: the corpus.
        item: the item to explain.
        liked: items the user liked before, most recent first.
        rng: chooses the sentence template.
    """
    traits = view.traits[item]
    if not traits:
        return ""
    shared = [tuple(t for t in traits if t in view.traits[other]) for other in liked]
    best = max(range(len(liked)), key=lambda i: len(shared[i]))
    common = shared[best][:3]
    if not common:
        return _fill_template(NEW, view, item, liked[:1], traits[:3], rng)
    also = [
        other
        for other, ones in zip(liked, shared, strict=True)
        if other != liked[best] and set(common) <= set(ones)
    ]
    return _fill_template(SHARED, view, item, [liked[best], *also[:1]], common, rng)


def _fill_template(
    templates: Sequence[str],
    view: CorpusView,
    item: int,
    liked: Sequence[int],
    traits: Sequence[str],
    rng: np.random.Generator,
) -> str:
    # str.format parses the braces of the template alone: titles stay literal
    return templates[int(rng.integers(len(templates)))].format(
        title=_quote(view, item),
        liked=_list([_quote(view, other) for other in liked]),
        traits=_list(traits),
    )


def _quote(view: CorpusView, item: int) -> str:
    return f'"{view.names.titles[item]}"'


def _list(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
