"""``p5rec cache``: lists the finished stages in the cache, and prunes them."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p5rec.core.errors import input_error
from p5rec.core.paths import answers_home, files_in

if TYPE_CHECKING:
    from p5rec.core.inventory import Entry

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400}
BYTES = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


@app.callback()
def _root() -> None:
    """List the finished stages in the cache, and delete some."""


@app.command()
def ls() -> None:
    """List every stage, least recently used first: size, age, the runs that use it, and the command
    that made it. Answers of endpoints are counted."""
    from p5rec.core.inventory import entries

    every = entries(_store())
    for entry in every:
        print(_line(entry))
    print(f"{len(every)} in {_store()}, {_size(sum(entry.size for entry in every))}")
    if answers := _answers():
        size = _size(sum(path.stat().st_size for path in answers))
        print(f"{len(answers)} answers of endpoints in {answers_home()}, {size}")


@app.command()
def prune(
    older_than: Annotated[
        str, typer.Option(help="Stages not used for this time: 12h, 30d, 8w.")
    ] = "",
    larger_than: Annotated[str, typer.Option(help="Stages larger than this: 500MB, 2GB.")] = "",
    unreachable: Annotated[
        bool, typer.Option("--unreachable", help="Stages that no run's folder uses.")
    ] = False,
    answers: Annotated[
        bool,
        typer.Option(
            "--answers", help="Also answers of endpoints, with --older-than those not read since."
        ),
    ] = False,
    max_size: Annotated[
        str,
        typer.Option(help="Also the least recently used stages, until the cache has this size."),
    ] = "",
    delete: Annotated[
        bool,
        typer.Option(
            "--delete", "--yes", help="Delete them; without this option nothing is deleted."
        ),
    ] = False,
) -> None:
    """Print what would be deleted from the cache, or delete it.

    Leftovers of interrupted and killed runs, training checkpoints included, and damaged stages are
    always deleted. Finished stages are deleted if they meet all given options. Stages in use by a
    running process stay. An answer of an endpoint was paid for: --answers alone deletes it.
    """
    from p5rec.core.inventory import LEFT, entries, remove

    root = _store()
    every = entries(root)
    age = _number("--older-than", older_than, SECONDS)
    candidates = _chosen(
        every,
        age,
        _number("--larger-than", larger_than, BYTES),
        unreachable,
        _number("--max-size", max_size, BYTES),
    )
    deleted = []
    for entry in candidates:
        done = not delete or remove(entry, root)
        if done:
            deleted.append(entry)
        if not done or entry.state != LEFT:
            print(_line(entry) if done else f"{entry.path}: in use; it stays")
    left = sum(entry.state == LEFT for entry in deleted)
    what = f"{len(deleted) - left} stages and {left} leftover files"
    size = _size(sum(entry.size for entry in deleted))
    print(f"{'deleted' if delete else 'would delete'} {what}, {size}")
    old = _answers(time.time() - (age or 0)) if answers else []
    if answers:
        print(f"{'deleted' if delete else 'would delete'} {len(old)} answers of endpoints")
    for path in old if delete else ():
        path.unlink(missing_ok=True)
    if (deleted or old) and not delete:
        print("repeat with --delete to delete them")


def _answers(before: float | None = None) -> list[Path]:
    """The files of cached answers; those last read before a time."""
    files = files_in(answers_home()).values()
    return [path for path in files if before is None or path.stat().st_mtime <= before]


def _chosen(
    every: list[Entry],
    age: float | None,
    larger: float | None,
    unreachable: bool,
    max_size: float | None,
) -> list[Entry]:
    from p5rec.core.inventory import FINISHED

    now = time.time()
    filtered = age is not None or larger is not None or unreachable

    def matches(entry: Entry) -> bool:
        return entry.state != FINISHED or (
            filtered
            and (age is None or now - entry.used > age)
            and (larger is None or entry.size > larger)
            and not (unreachable and entry.runs)
        )

    chosen = {entry.path: entry for entry in every if matches(entry)}
    size = sum(entry.size for entry in every if entry.path not in chosen)
    for entry in every:
        if entry.path not in chosen and max_size is not None and size > max_size:
            chosen[entry.path] = entry
            size -= entry.size
    return list(chosen.values())


def _store() -> Path:
    from p5rec.core.paths import cache_home

    return cache_home() / "store"


def _number(option: str, text: str, units: Mapping[str, float]) -> float | None:
    """An amount such as ``30d`` in seconds, or ``2GB`` in bytes; None if ``text`` is empty."""
    if not text:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]?)(B?)", text.strip())
    scale = None
    if match:
        unit = match[2].lower() if units is SECONDS else match[2].upper().removesuffix("B")
        scale = units.get(unit)
    if match is None or scale is None:
        shape = "12h, 30d or 8w" if units is SECONDS else "500MB or 2GB"
        raise input_error(
            option, f"an amount such as {shape}", repr(text), "give a number and a unit"
        )
    return float(match[1]) * scale


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
