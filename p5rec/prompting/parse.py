"""Parses generated text into a value, or an explicit :class:`Unparsed` with the reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from p5rec.tasks.fields import NO, YES, TargetType
from p5rec.tasks.item_names import ItemNames
from p5rec.tasks.literal import squeeze
from p5rec.tasks.view import Scale

NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?!\w)")
OUT_OF = re.compile(r"(?:/|out of)\s*$")
FIRST_WORD = re.compile(r"\W*(\w+)")
VERDICTS = {YES: True, NO: False}


@dataclass(frozen=True)
class ParsedItem:
    """The row number of an item."""

    item: int


@dataclass(frozen=True)
class ParsedRating:
    """A rating on the scale; ``clipped`` if the text held a value outside the scale."""

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
    """Text without a value of the target type."""

    text: str
    reason: str


Parsed = ParsedItem | ParsedRating | ParsedYesNo | ParsedText | Unparsed


def parse(
    target_type: TargetType,
    text: str,
    *,
    names: ItemNames | None = None,
    scale: Scale | None = None,
    options: Sequence[int] = (),
) -> Parsed:
    """The value of type ``target_type`` in generated ``text``.

    Args:
        target_type: the type that the template declares.
        text: the generated text.
        names: the items' names; required for ``item`` and ``options``.
        scale: the rating scale; required for ``rating``.
        options: row numbers of the candidate items; required for ``options``.
    """
    clean = squeeze(text)
    if not clean:
        return Unparsed(text, "empty")
    return PARSERS[target_type](clean, names, scale, options)


def _text(text: str, *known: object) -> Parsed:
    return ParsedText(text)


def _yesno(text: str, *known: object) -> Parsed:
    first = FIRST_WORD.match(text)
    verdict = VERDICTS.get(first.group(1).lower()) if first else None
    return Unparsed(text, "neither yes nor no") if verdict is None else ParsedYesNo(verdict)


def _rating(text: str, names: object, scale: Scale | None, options: object) -> Parsed:
    if scale is None:
        raise TypeError("a rating needs a scale")
    numbers = [
        float(m.group())
        for m in NUMBER.finditer(text)
        # "4/5" and "4 out of 5" hold one rating: the other number is the top of the scale
        if not (OUT_OF.search(text[: m.start()]) and float(m.group()) == scale.high)
    ]
    if len(numbers) != 1:
        return Unparsed(text, "no number" if not numbers else "more than one number")
    value = min(max(numbers[0], scale.low), scale.high)
    return ParsedRating(value, clipped=value != numbers[0])


def _item(text: str, names: ItemNames | None, *known: object) -> Parsed:
    if names is None:
        raise TypeError("an item needs item names")
    row = names.row(text)
    return Unparsed(text, "no item's id") if row is None else ParsedItem(row)


def _option(text: str, names: ItemNames | None, scale: object, options: Sequence[int]) -> Parsed:
    """An option is named by its id, its title, or both as in the list of options."""
    if names is None:
        raise TypeError("an option needs item names")
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


# target type → its parser of ``(text, names, scale, options)``
PARSERS: Mapping[TargetType, Callable[..., Parsed]] = {
    "item": _item,
    "rating": _rating,
    "options": _option,
    "yesno": _yesno,
    "text": _text,
    "answer": _text,
    "dialogue": _text,
}
