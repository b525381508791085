"""The lock file: full template id → hash of its text, so that a text cannot change unseen.

A line is never rewritten or dropped: an id with its version names one text for ever, which is what
makes a version printed in an old report mean something.
"""

from __future__ import annotations

from pathlib import Path

from p5rec.core.artefacts import read_json, write_json
from p5rec.core.errors import UserError, input_error

from .library import PromptLibrary

NAME = "lock.json"


def lint(folder: Path) -> PromptLibrary:
    """The library in ``folder``, if its files are sound and its lock agrees.

    Raises:
        UserError: one line a fault, all of them.
    """
    library = PromptLibrary.load(folder)
    if not (folder / NAME).exists():
        raise input_error(
            folder / NAME, "a lock file", "nothing there", f"run `p5rec prompts lock {folder}`"
        )
    locked = _read(folder)
    faults = _changed(library, locked) + [
        f"{library.places[name]}: expected {name} in {folder / NAME}, got nothing; "
        f"run `p5rec prompts lock {folder}`"
        for name in library.hashes()
        if name not in locked
    ]
    if faults:
        raise UserError(*faults)
    return library


def write(folder: Path) -> list[str]:
    """Adds the new and the bumped ids of ``folder`` to its lock file, and returns them.

    Raises:
        UserError: a locked text has changed under its version; nothing is written.
    """
    library = PromptLibrary.load(folder)
    locked = _read(folder)
    faults = _changed(library, locked)
    if faults:
        raise UserError(*faults)
    added = sorted(library.hashes().keys() - locked.keys())
    if added:
        write_json(folder / NAME, dict(sorted({**locked, **library.hashes()}.items())))
    return added


def _read(folder: Path) -> dict[str, str]:
    path = folder / NAME
    locked = read_json(path) if path.exists() else {}
    if not isinstance(locked, dict):
        raise input_error(path, "a mapping of ids to hashes", "something else", "restore the file")
    return locked


def _changed(library: PromptLibrary, locked: dict[str, str]) -> list[str]:
    return [
        f"{library.places[name]}: expected the text locked for {name}, got another; "
        f"raise its version, then run `p5rec prompts lock`"
        for name, text in library.hashes().items()
        if locked.get(name, text) != text
    ]
