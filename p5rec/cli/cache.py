"""``p5rec cache``: what lies in the store of finished stages, and what of it may go."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p5rec.core.errors import input_error

if TYPE_CHECKING:
    from p5rec.core.inventory import Entry

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400}
BYTES = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


@app.callback()
def _root() -> None:
    """List the finished stages that the cache holds, and delete some."""


@app.command()
def ls() -> None:
    """List every stage, the least recently used first: size, age, the runs it is a part of, and
    the command that made it."""
    from p5rec.core.inventory import entries

    found = entries(_store())
    for entry in found:
        print(_line(entry))
    print(f"{len(found)} in {_store()}, {_size(sum(entry.size for entry in found))}")


@app.command()
def prune(
    older_than: Annotated[
        str, typer.Option(help="Stages not used for so long: 12h, 30d, 8w.")
    ] = "",
    larger_than: Annotated[str, typer.Option(help="Stages larger than this: 500MB, 2GB.")] = "",
    unreachable: Annotated[
        bool, typer.Option("--unreachable", help="Stages that are a part of no run's folder.")
    ] = False,
    max_size: Annotated[
        str,
        typer.Option(help="Further stages, the least recently used first, until this is left."),
    ] = "",
    delete: Annotated[
        bool, typer.Option("--delete", "--yes", help="Delete them; without it nothing goes.")
    ] = False,
) -> None:
    """Say what would go from the cache, or delete it.

    What interrupted and killed runs left always goes, a training's checkpoints included, and so do
    damaged stages. Finished stages go as options say; of several, all must hold. What a living
    process makes or reads stays.
    """
    from p5rec.core.inventory import LEFT, entries, remove

    root = _store()
    every = entries(root)
    going = _chosen(
        every,
        _number("--older-than", older_than, SECONDS),
        _number("--larger-than", larger_than, BYTES),
        unreachable,
        _number("--max-size", max_size, BYTES),
    )
    gone = []
    for entry in going:
        done = not delete or remove(entry, root)
        if done:
            gone.append(entry)
        if not done or entry.state != LEFT:
            print(_line(entry) if done else f"{entry.path}: in use; it stays")
    left = sum(entry.state == LEFT for entry in gone)
    what = f"{len(gone) - left} stages and {left} left-over files"
    size = _size(sum(entry.size for entry in gone))
    print(f"{'deleted' if delete else 'would delete'} {what}, {size}")
    if gone and not delete:
        print("repeat with --delete to delete them")


def _chosen(
    every: list[Entry],
    age: float | None,
    larger: float | None,
    unreachable: bool,
    most: float | None,
) -> list[Entry]:
    from p5rec.core.inventory import FINISHED

    now = time.time()
    asked = age is not None or larger is not None or unreachable

    def goes(entry: Entry) -> bool:
        return entry.state != FINISHED or (
            asked
            and (age is None or now - entry.used > age)
            and (larger is None or entry.size > larger)
            and not (unreachable and entry.runs)
        )

    chosen = {entry.path: entry for entry in every if goes(entry)}
    size = sum(entry.size for entry in every if entry.path not in chosen)
    for entry in every:
        if entry.path not in chosen and most is not None and size > most:
            chosen[entry.path] = entry
            size -= entry.size
    return list(chosen.values())


def _store() -> Path:
    from p5rec.core.paths import cache_home

    return cache_home() / "store"


def _number(option: str, text: str, units: Mapping[str, float]) -> float | None:
    """An amount such as ``30d`` in seconds, or ``2GB`` in bytes; None where ``text`` is empty."""
    if not text:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]?)(B?)", text.strip())
    scale = None
    if found:
        unit = found[2].lower() if units is SECONDS else found[2].upper().removesuffix("B")
        scale = units.get(unit)
    if found is None or scale is None:
        shape = "12h, 30d or 8w" if units is SECONDS else "500MB or 2GB"
        raise input_error(
            option, f"an amount such as {shape}", repr(text), "give a number and a unit"
        )
    return float(found[1]) * scale


def _line(entry: Entry) -> str:
    state = "" if entry.state == "finished" else f"  [{entry.state}]"
    runs = f"  {', '.join(entry.runs)}" if entry.runs else ""
    command = f"  `{entry.command}`" if entry.command else ""
    size, age = _size(entry.size), _age(time.time() - entry.used)
    return f"{entry.stage:10} {entry.key:20} {size:>9} {age:>5}{state}{runs}{command}"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _age(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return "now"
