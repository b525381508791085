"""The table and the claims of the systems, from the same data as ``p5rec systems``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prose import table

from p5rec.report.rungs import RUNGS
from p5rec.report.systems import NOT_THERE, entries, figure, mark

PAGE = "systems/index.md"
PLACE = "<!-- the table of `p5rec systems` and the claims of each system -->"


def filled(markdown: str) -> str:
    """The page with the table and the claims in their place."""
    assert PLACE in markdown, f"{PAGE} has no place for its table"
    return markdown.replace(PLACE, "\n".join(_sections()))


def _sections() -> Iterator[str]:
    found = entries()
    head = ["system", "paper", "stage", *RUNGS, "command"]
    yield table(head, map(_row, found), centred=RUNGS)
    for entry in found:
        if entry["ladder"]:
            yield f"## `{entry['system']}`\n"
            yield table(["rung", "passed", "claim", "figure", "command"], _claims(entry))


def _row(entry: Mapping[str, Any]) -> list[str]:
    name = f"`{entry['system']}`"
    return [
        f"[{name}](#{entry['system']})" if entry["ladder"] else name,
        entry["paper"],
        entry["stage"],
        *(mark(entry, rung) for rung in RUNGS),
        f"`{entry['command']}`" if entry["command"] else NOT_THERE,
    ]


def _claims(entry: Mapping[str, Any]) -> Iterator[list[str]]:
    for rung in entry["ladder"]:
        name = f"{rung['rung']}, {RUNGS[rung['rung']]}"
        yield [
            name, mark(entry, rung["rung"]), rung["claim"], figure(rung), f"`{rung['command']}`"
        ]  # fmt: skip
