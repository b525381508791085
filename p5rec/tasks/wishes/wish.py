"""A wish as understood: terms over a catalogue's attributes, each with a sign.

N items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from p5rec.core.errors import UserError


class Sign(StrEnum):
    """What a wish asks for: ``more`` and ``less`` move items, ``only`` and ``none`` are strict."""

    MORE = "more"
    LESS = "less"
    ONLY = "only"
    NONE = "no"

    @property
    def direction(self) -> int:
        """1 towards the items, -1 away from them."""
        return 1 if self in (Sign.MORE, Sign.ONLY) else -1

    @property
    def soft(self) -> Sign:
        """The sign of a term that matches by degrees: it excludes nothing."""
        return {Sign.ONLY: Sign.MORE, Sign.NONE: Sign.LESS}.get(self, self)

    @property
    def strict(self) -> bool:
        """Whether it excludes items."""
        return self in (Sign.ONLY, Sign.NONE)


@dataclass(frozen=True, eq=False)
class Term:
    """A part of a wish.

    Attributes:
        words: of the wish.
        sign: what it asks for.
        meaning: what it stands for, such as ``genres Comedy``.
        items: ``(N,)`` float32: how well each item matches, 0 to 1; of a mood and of a comparative
            -1 to 1.
        exact: matches are yes or no, so that the sign may be strict.
        key: the attribute and the value or the range, for a term about one.
    """

    words: str
    sign: Sign
    meaning: str
    items: np.ndarray
    exact: bool = True
    key: tuple[str, str] | None = None

    @property
    def strict(self) -> bool:
        """Whether it excludes items."""
        return self.exact and self.sign.strict

    def under(self, sign: Sign) -> Term:
        """The term under another sign."""
        return replace(self, sign=sign if self.exact else sign.soft)

    def and_also(self, other: Term) -> Term:
        """The term of items that match both."""
        return Term(
            f"{self.words} {other.words}",
            self.sign,
            f"{self.meaning} with {other.meaning}",
            np.minimum(self.items, other.items),
        )

    def __str__(self) -> str:
        return f"{self.sign} {self.meaning} ({self.words!r})"


@dataclass(frozen=True, eq=False)
class Wish:
    """A wish as understood.

    Attributes:
        text: as written.
        terms: what it asks for.
        unknown: words that no attribute, value, title or text explains.
        notes: where it could be understood in another way.
        ignored: words that the wish itself calls unimportant.
    """

    text: str
    terms: tuple[Term, ...]
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line: what was understood, and what was not."""
        parts = ["; ".join(map(str, self.terms)) or "nothing"]
        if self.unknown:
            parts.append("not understood: " + ", ".join(map(repr, self.unknown)))
        if self.ignored:
            parts.append("left open: " + ", ".join(map(repr, self.ignored)))
        parts += [f"ambiguous: {note}" for note in self.notes]
        return "wish: " + "; ".join(parts)

    def require_terms(self) -> Wish:
        """The wish, unless nothing was understood.

        Raises:
            UserError: it has no term.
        """
        if self.terms:
            return self
        got = ", ".join(map(repr, self.unknown)) or "no word with a meaning"
        raise UserError(
            f"wish {self.text[:200]!r}: expected words for values of the items' attributes or "
            f"words of their titles, got {got}; use others"
        )

    @property
    def signs(self) -> dict[tuple[str, str], Sign]:
        """The sign of each value that a term names; the last term about a value counts."""
        return {term.key: term.sign for term in self.terms if term.key is not None}


def matches(terms: Sequence[Term], items: np.ndarray) -> list[str]:
    """The terms that each of ``items (n,)`` matches, as text; "" for none."""
    if not terms:
        return [""] * len(items)
    table = np.stack([term.items[items] for term in terms], axis=1) > 0
    names = [f"{term.sign} {term.meaning}" for term in terms]
    return ["; ".join(name for name, m in zip(names, row, strict=True) if m) for row in table]
