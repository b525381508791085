"""What the grammar of wishes hears in a user's words: values of a dialogue's topics, with signs.

V values.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import pyarrow as pa

from p5rec.core.types import Catalog

from ..topics import Topics
from ..wishes.lexicon import Lexicon, shipped_lexicon
from ..wishes.parse import LONGEST_WISH, read_wish
from ..wishes.vocabulary import Vocabulary
from .steps import NEW, Wishes

VALUE = "value"  # the attribute of a catalogue of values
NO_TITLE = "-"  # a title without words


@dataclass(frozen=True, eq=False)
class Hearing:
    """Reads words as wishes about the values of topics.

    A value is wanted under the signs *more* and *only*, and avoided under *less* and *no*. Moods,
    comparatives, bounds of numbers, titles, and two values that describe one thing ("no romantic
    comedy") have no counterpart among the wishes of a dialogue, and are left out.

    Attributes:
        topics: the values.
    """

    topics: Topics

    def wishes(self, words: str) -> Wishes:
        """The wishes in ``words``, in the order of the values; none if nothing is understood.

        The words after the first ``LONGEST_WISH`` characters are not read.
        """
        signs = read_wish(words[:LONGEST_WISH], self._vocabulary).signs
        index = self.topics.index
        return tuple((index[value], sign.direction > 0) for (_, value), sign in signs.items())

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        """That of a catalogue whose V items are the values; it has no titles and no numbers."""
        values = list(self.topics.values)
        table = {
            "item": values,
            "title": [NO_TITLE] * len(values),
            VALUE: pa.array([[value] for value in values], pa.list_(pa.string())),
        }
        return Vocabulary(Catalog(pa.table(table)), _with_decades(shipped_lexicon()))


def _with_decades(lexicon: Lexicon) -> Lexicon:
    """The lexicon with the names of decades ("nineties", "90s") as synonyms of values (1990s)."""
    decades = {f"{first}s": (name, f"{first % 100}s") for name, first in lexicon.decades.items()}
    return lexicon.model_copy(update={"synonyms": lexicon.synonyms | decades})


@lru_cache(maxsize=2)
def hearing_of(topics: Topics) -> Hearing:
    """The reader of words about ``topics``."""
    return Hearing(topics)


@lru_cache(maxsize=20_000)
def heard(topics: Topics, words: str) -> Wishes:
    """The first wishes in ``words``, as many as a step has; words of simulated users repeat."""
    return hearing_of(topics).wishes(words)[:NEW]
