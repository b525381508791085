"""Docstrings as Markdown, and Markdown tables."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from inspect import cleandoc

ROLE = re.compile(r":\w+:`~?!?([^`]+)`")
SECTIONS = {"Args", "Attributes", "Raises", "Returns", "Yields"}
ENTRY = re.compile(r"(\*{0,2}\w[\w., *]*?): (.*)")


@dataclass
class Doc:
    """A parsed docstring.

    Attributes:
        text: the text before its sections.
        sections: title → pairs of a name and its text; the name is "" in a section of plain text.
    """

    text: str = ""
    sections: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


def parsed(docstring: str | None) -> Doc:
    """Parses a docstring in Google's style."""
    text: list[str] = []
    doc, title = Doc(), ""
    for line in cleandoc(docstring or "").split("\n"):
        if line.rstrip(":") in SECTIONS and line.endswith(":"):
            title = line.rstrip(":")
            doc.sections[title] = []
        elif title and (not line or line.startswith("    ")):
            _add(doc.sections[title], line[4:])
        else:
            text.append(line)
    doc.text = plain("\n".join(text).strip())
    doc.sections = {
        title: [(name, plain(words)) for name, words in entries]
        for title, entries in doc.sections.items()
    }
    return doc


def _add(entries: list[tuple[str, str]], line: str) -> None:
    named = ENTRY.fullmatch(line)
    if named:
        entries.append((named[1], named[2]))
    elif line.strip() and entries:
        entries[-1] = (entries[-1][0], f"{entries[-1][1]} {line.strip()}")
    elif line.strip():
        entries.append(("", line.strip()))


def plain(text: str) -> str:
    """Replaces roles of Sphinx by code: the last name of the target."""
    return ROLE.sub(lambda role: f"`{role[1].rpartition('.')[2]}`", text)


def sentence(text: str) -> str:
    """``text`` with a capital first letter; text that begins with code does not change."""
    return text[:1].upper() + text[1:]


def table(head: Sequence[str], rows: Iterable[Sequence[str]], centred: Collection[str] = ()) -> str:
    """A Markdown table; line ends and bars in cells are escaped.

    Args:
        head: names of the columns.
        rows: their cells.
        centred: columns of short cells, which take no more room than they need.
    """
    lines = [head, [":-:" if name in centred else "---" for name in head], *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
