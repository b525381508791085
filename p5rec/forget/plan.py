"""What a request touches: events, stages, runs, files; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p5rec.core.errors import UserError, input_error
from p5rec.core.recipes import RECORD
from p5rec.data.config import DataConfig
from p5rec.data.reading import whole_logs
from p5rec.data.tombstones import Tombstones

from .requests import Pending, request_of
from .stages import Stage, Stages
from .wanted import Wanted


@dataclass(frozen=True, eq=False)
class Plan:
    """The plan of a request.

    Attributes:
        made: the request, not yet written.
        touched: the stages of all runs that saw the events, by key.
        of_runs: those that the request's runs use, and so compute again.
        untouched: the other stages of the request's runs, by key.
        other_runs: folders of further runs that saw the events.
    """

    made: Pending
    touched: dict[str, Stage]
    of_runs: dict[str, Stage]
    untouched: dict[str, Stage]
    other_runs: tuple[str, ...]


def make_plan(wanted: Wanted, runs: dict[Path, DataConfig], basis: str, stages: Stages) -> Plan:
    """The plan of a request.

    Args:
        wanted: the events.
        runs: folder of each run to compute again → its data.
        basis: the requester's reason.
        stages: of the store.

    Raises:
        UserError: no log has an event of the request.
    """
    tombstones, sources, names = Tombstones.read(), dict[str, int](), [wanted.keys]
    marks = [np.zeros(0, np.uint64)]
    for config in runs.values():
        for part, log in whole_logs(config).items():
            lines = wanted.of_part(part)
            chosen = lines.among(log, config.leaves[part])
            if not chosen.any():
                continue
            marks.append(tombstones.marks_of(log)[chosen])
            names.append(lines.keys)
            sources[str(log.files[0].resolve())] = int(chosen.sum())
    if not sources:
        where = str(wanted.where) if wanted.where else "--user"
        logs = ", ".join(str(config.path) for config in runs.values())
        raise input_error(
            where, f"events in the logs of the runs ({logs})", "none",
            "check the ids and times, or name the run of another log",
        )  # fmt: skip
    keys = np.unique(np.concatenate(names), axis=0)
    marked = Tombstones(tombstones.salt, np.unique(np.concatenate(marks)))
    folders = tuple(str(folder.resolve()) for folder in runs)
    made = request_of(marked, keys, folders, basis, sources)
    touched = stages.holding(keys)
    used = {key: stage for folder in runs for key, stage in stages.of_run(folder).items()}
    return Plan(
        made,
        touched,
        {key: stage for key, stage in used.items() if key in touched},
        {key: stage for key, stage in used.items() if key not in touched},
        stages.other_runs(touched, [*runs]),
    )


def check_run(folder: Path, stages: Stages) -> None:
    """Checks that ``folder`` is a run whose stages are known.

    Raises:
        UserError: it is not.
    """
    if not (folder / RECORD).is_file():
        raise input_error(folder, "a run's folder", "another folder", f"name one with {RECORD}")
    if not stages.of_run(folder):
        raise UserError(
            f"{folder}: expected stages of this run in {stages.root}, got none; set P5REC_HOME to "
            "the cache that it was made with, or run it again"
        )
