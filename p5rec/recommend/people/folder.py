"""The folder of what people told a model, beside its run."""

from __future__ import annotations

from pathlib import Path

from p5rec.core.recipes import RECORD

ENDING = ".people"
LOCK = ".lock"


def people_folder(folder: str | Path) -> Path:
    """The folder beside a run or a model that holds profiles and feedback.

    ``runs/my`` and its ``runs/my/models/hybrid`` share ``runs/my.people``; a model outside of a run
    has its own. It lies outside, as a run's folder is replaced as a whole.
    """
    path = Path(folder).expanduser().absolute()
    run = path.parent.parent
    if not (path / RECORD).is_file() and (run / RECORD).is_file():
        path = run
    return path.with_name(path.name + ENDING)
