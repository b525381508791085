"""The words of a text in one spelling: without case, accents and plural endings."""

from __future__ import annotations

import re
import unicodedata

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[.;!?]+|,", re.UNICODE)
BREAKS = frozenset(".;!?")
COMMA = ","
PLURAL_ENDINGS = ("ss", "us", "is")

Words = tuple[str, ...]


def words_of(text: str) -> Words:
    """The words of a text, without accents, apostrophes and plural endings; no marks."""
    return tuple(token for found in written(text) if not is_mark(token := spelled(found)))


def written(text: str) -> list[str]:
    """The words of a text as written, and its marks: a comma, or marks that end a clause."""
    return WORD.findall(text)


def is_mark(token: str) -> bool:
    """Whether a token of :func:`written` is a mark."""
    return token == COMMA or token[0] in BREAKS


def spelled(word: str) -> str:
    """A word of :func:`written` in the spelling of :func:`words_of`; a mark as it is."""
    if is_mark(word):
        return word
    plain = unicodedata.normalize("NFKD", word.casefold())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    if re.search(r"n['’]t$", plain):
        return re.sub(r"['’]", "", plain)
    return _singular(re.sub(r"['’]s?", "", plain) or plain)


def _singular(word: str) -> str:
    """An English noun in the singular, by its ending alone."""
    if word.isdigit() or len(word) < 4 or word.endswith(PLURAL_ENDINGS):
        return word
    for ending in ("ies", "ie"):
        if word.endswith(ending) and len(word) > 4:
            return f"{word.removesuffix(ending)}y"  # also "movie", as its plural ends so
    if word[-1] == "s" and not word[:-1].isdigit():
        return word[:-1]
    return word
