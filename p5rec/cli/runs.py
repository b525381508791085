"""The config that a run's folder belongs to, and the check before another one replaces it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from p5rec.core.config import Config, read_yaml
from p5rec.core.errors import UserError, input_error
from p5rec.core.recipes import RECORD, shipped

ORIGIN = "# made by p5rec run from "  # followed by the config's path, relative to the run's folder


def made_from(path: Path, folder: Path, config: Config) -> str:
    """The first line of the config in ``folder``, which names its origin.

    Args:
        path: the config to run; the folder's own config, or an equal one, keeps the line.
        folder: the run's folder.
        config: the complete config.
    """
    if (folder / RECORD).is_file() and (origin := _origin(folder)):
        own = path.resolve() == (folder / RECORD).resolve()
        if own or _content(folder) == config.dump():
            return origin
    return f"{ORIGIN}{_name(path, folder)}\n"


def check_same(folder: Path, path: Path, config: Config) -> None:
    """Refuses to replace the run of another config.

    A folder belongs to the file of its config, edited or overridden, and to any equal config.

    Raises:
        UserError: the run in ``folder`` is of another file with another content.
    """
    record = folder / RECORD
    if not record.is_file() or path.resolve() == record.resolve():
        return
    origin = _origin(folder)
    if origin == made_from(path, folder, config) or _content(folder) == config.dump():
        return
    made = origin.removeprefix(ORIGIN).strip() if origin else "an unknown config"
    raise input_error(
        folder, f"a run of {path}, or none", f"a run of another config ({made})",
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
    """A shipped config by its name; another file by its path relative to the run's folder."""
    for recipe, configs in shipped().items():
        if path.resolve() in [known.resolve() for known in configs.values()]:
            return f"{recipe} {path.stem}"
    return os.path.relpath(path.resolve(), folder.resolve())
