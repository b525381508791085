"""A model's answer back into a value, or an explicit :class:`Unparsed` with the reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from p5rec.tasks.fields import NO, YES, Answer
from p5rec.tasks.literal import squeeze
from p5rec.tasks.view import ItemNames, Scale

NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?!\w)")
OUT_OF = re.compile(r"(?:/|out of)\s*$")
FIRST_WORD = re.compile(r"\W*(\w+)")
VERDICTS = {YES: True, NO: False}


@dataclass(frozen=True)
class ParsedItem:
    """An item row."""

    item: int


@dataclass(frozen=True)
class ParsedRating:
    """A rating on the scale; ``clipped`` where the text held one beyond its ends."""

    value: float
    clipped: bool


@dataclass(frozen=True)
class ParsedYesNo:
    """A verdict."""

    value: bool


@dataclass(frozen=True)
class ParsedText:
    """Free text, on one line."""

    text: str


@dataclass(frozen=True)
class Unparsed:
    """Text that holds no answer of the type asked for."""

    text: str
    reason: str


Parsed = ParsedItem | ParsedRating | ParsedYesNo | ParsedText | Unparsed


def parse(
    answer: Answer,
    text: str,
    *,
    names: ItemNames | None = None,
    scale: Scale | None = None,
    options: Sequence[int] = (),
) -> Parsed:
    """The value of type ``answer`` in a model's ``text``.

    Args:
        answer: the type, as the template declares it.
        text: what the model wrote.
        names: the items' names; asked for by ``item`` and ``options``.
        scale: the rating scale; asked for by ``rating``.
        options: the item rows offered; asked for by ``options``.
    """
    clean = squeeze(text)
    if not clean:
        return Unparsed(text, "empty")
    return PARSERS[answer](clean, names, scale, options)


def _text(text: str, *known: object) -> Parsed:
    return ParsedText(text)


def _yesno(text: str, *known: object) -> Parsed:
    first = FIRST_WORD.match(text)
    verdict = VERDICTS.get(first.group(1).lower()) if first else None
    return Unparsed(text, "neither yes nor no") if verdict is None else ParsedYesNo(verdict)


def _rating(text: str, names: object, scale: Scale | None, options: object) -> Parsed:
    if scale is None:
        raise TypeError("a rating answer is parsed against a scale")
    found = [
        float(m.group())
        for m in NUMBER.finditer(text)
        # "4/5" and "4 out of 5" hold one rating: the other number is the top of the scale
        if not (OUT_OF.search(text[: m.start()]) and float(m.group()) == scale.high)
    ]
    if len(found) != 1:
        return Unparsed(text, "no number" if not found else "more than one number")
    value = min(max(found[0], scale.low), scale.high)
    return ParsedRating(value, clipped=value != found[0])


def _item(text: str, names: ItemNames | None, *known: object) -> Parsed:
    if names is None:
        raise TypeError("an item is parsed against item names")
    row = names.row(text)
    return Unparsed(text, "no item's id") if row is None else ParsedItem(row)


def _option(text: str, names: ItemNames | None, scale: object, options: Sequence[int]) -> Parsed:
    """An option is named by its id, by its title, or by both as they were listed."""
    if names is None:
        raise TypeError("an option is parsed against item names")
    by_id = names.row(text)
    titles = {row: squeeze(names.titles[row]) for row in options}
    named = [
        row
        for row, title in titles.items()
        if row == by_id or text in (title, squeeze(f"{names.ids[row]} {title}"))
    ]
    if len(named) != 1:
        return Unparsed(text, "none of the options" if not named else "more than one option")
    return ParsedItem(named[0])


# type of answer → its parser of ``(text, names, scale, options)``
PARSERS: Mapping[Answer, Callable[..., Parsed]] = {
    "item": _item,
    "rating": _rating,
    "options": _option,
    "yesno": _yesno,
    "text": _text,
}
