"""The English words of wishes: cues of sign, fillers, synonyms, moods, comparatives."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from p5rec.core.config import Config, bind, read_yaml

FILE = "lexicon.yaml"


class Mood(Config):
    """A mood: words for several values at once.

    Attributes:
        words: that name it.
        more: values that it asks for.
        less: values that it asks to reduce.
    """

    words: tuple[str, ...]
    more: tuple[str, ...]
    less: tuple[str, ...]


class Comparative(Config):
    """Words that compare items by a numeric attribute.

    Attributes:
        names: of attributes.
        high: words for large values.
        low: words for small values.
    """

    names: tuple[str, ...]
    high: tuple[str, ...]
    low: tuple[str, ...]


class Cues(Config):
    """Words that set the sign of what follows (:class:`.wish.Sign`).

    Attributes:
        none, less, more, only: a sign.
        toward: more, unless another sign came before ("nothing with").
        any: the speaker does not care.
    """

    none: tuple[str, ...]
    less: tuple[str, ...]
    more: tuple[str, ...]
    toward: tuple[str, ...]
    only: tuple[str, ...]
    any: tuple[str, ...]


class After(Config):
    """Words after a term that set its sign."""

    none: tuple[str, ...]
    less: tuple[str, ...]


class Lexicon(Config):
    """The contents of ``lexicon.yaml``.

    Attributes:
        cues: words of sign before a term.
        after: words of sign after a term.
        breaks: words that end a clause.
        similar: words before the title of an item.
        joins: words that continue a list under one sign.
        conjunctions: words that may or may not continue it.
        than: words between the two sides of a comparison.
        fillers: words without a meaning here.
        synonyms: value → words that mean it.
        moods: by name.
        numbers: comparatives by name.
        above, below: words before a bound of a numeric attribute.
        decades: names of decades, in the singular, and their first years.
    """

    cues: Cues
    after: After
    breaks: tuple[str, ...]
    similar: tuple[str, ...]
    joins: tuple[str, ...]
    conjunctions: tuple[str, ...]
    than: tuple[str, ...]
    fillers: tuple[str, ...]
    synonyms: dict[str, tuple[str, ...]]
    moods: dict[str, Mood]
    numbers: dict[str, Comparative]
    above: tuple[str, ...]
    below: tuple[str, ...]
    decades: dict[str, int]


@cache
def shipped_lexicon() -> Lexicon:
    """The lexicon of the package."""
    path = Path(str(files(__package__) / FILE))
    return bind(Lexicon, *read_yaml(path), path)
