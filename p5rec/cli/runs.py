"""Whose a run's folder is: which config made it, and whether another may write there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from p5rec.core.config import Config, read_yaml
from p5rec.core.errors import UserError, input_error
from p5rec.core.recipes import RECORD, shipped

ORIGIN = "# made by p5rec run from "  # then the config, as seen from the run's folder


def made_from(path: Path, folder: Path, config: Config) -> str:
    """The line above the config in ``folder`` that says what it is made from.

    Args:
        path: what is run: where it is the folder's own config, or says the same, the line stays.
        folder: the run's folder.
        config: what is run, whole.
    """
    if (folder / RECORD).is_file() and (origin := _origin(folder)):
        own = path.resolve() == (folder / RECORD).resolve()
        if own or _content(folder) == config.dump():
            return origin
    return f"{ORIGIN}{_name(path, folder)}\n"


def check_same(folder: Path, path: Path, config: Config) -> None:
    """Refuses to replace what another config made.

    A folder belongs to the file that it was made from, whatever is edited or overridden there, and
    to any config that says the same.

    Raises:
        UserError: another file, of other content, made the run in ``folder``.
    """
    record = folder / RECORD
    if not record.is_file() or path.resolve() == record.resolve():
        return
    origin = _origin(folder)
    if origin == made_from(path, folder, config) or _content(folder) == config.dump():
        return
    made = origin.removeprefix(ORIGIN).strip() if origin else "a config that is not known"
    raise input_error(
        folder, f"a run of {path}, or none", f"one of another config ({made})",
        "name another folder (--out), or replace it (--force)",
    )  # fmt: skip


def _origin(folder: Path) -> str | None:
    with open(folder / RECORD, encoding="utf-8", errors="replace") as handle:
        line = handle.readline()
    return line if line.startswith(ORIGIN) else None


def _content(folder: Path) -> Any:
    try:
        return read_yaml(folder / RECORD)[0]
    except (UserError, yaml.YAMLError):
        return None


def _name(path: Path, folder: Path) -> str:
    """A shipped config by its name, a file by its place, which holds where both are moved."""
    for recipe, configs in shipped().items():
        if path.resolve() in [known.resolve() for known in configs.values()]:
            return f"{recipe} {path.stem}"
    return os.path.relpath(path.resolve(), folder.resolve())
