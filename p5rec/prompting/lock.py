"""The lock file: full template id → hash of its text. It detects changed template texts.

Entries are never rewritten or dropped: an id with its version identifies one text permanently, so
the versions printed in old reports stay valid.
"""

from __future__ import annotations

from pathlib import Path

from p5rec.core.artefacts import read_json, write_json
from p5rec.core.errors import UserError, input_error

from .library import PromptLibrary

NAME = "lock.json"


def lint(folder: Path) -> PromptLibrary:
    """Loads the library in ``folder`` and checks it against its lock file, which must exist.

    Raises:
        UserError: one line per error.
    """
    library = check(folder)
    if not (folder / NAME).exists():
        raise input_error(
            folder / NAME, "a lock file", "nothing there", f"run `p5rec prompts lock {folder}`"
        )
    return library


def check(folder: Path) -> PromptLibrary:
    """Loads the library in ``folder`` and checks it against the lock file, if there is one.

    Raises:
        UserError: one line per error.
    """
    library = PromptLibrary.load(folder)
    if not (folder / NAME).exists():
        return library
    locked = _read(folder)
    errors = _changed(library, locked, folder) + [
        f"{library.locations[name]}: expected {name} in {folder / NAME}, got nothing; "
        f"run `p5rec prompts lock {folder}`"
        for name in library.hashes()
        if name not in locked
    ]
    if errors:
        raise UserError(*errors)
    return library


def write(folder: Path) -> list[str]:
    """Adds new ids and new versions of ``folder`` to its lock file, and returns them.

    Raises:
        UserError: a locked text has changed under its version; nothing is written.
    """
    library = PromptLibrary.load(folder)
    locked = _read(folder)
    errors = _changed(library, locked, folder)
    if errors:
        raise UserError(*errors)
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


def _changed(library: PromptLibrary, locked: dict[str, str], folder: Path) -> list[str]:
    return [
        f"{library.locations[name]}: expected the text locked for {name}, got another; "
        f"raise its version, then run `p5rec prompts lock {folder}`"
        for name, text in library.hashes().items()
        if locked.get(name, text) != text
    ]
