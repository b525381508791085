"""What a request touches: events, stages, runs, files; nothing is changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from p5rec.core.artefacts import LINEAGE, Lineage
from p5rec.core.config import read_yaml
from p5rec.core.errors import UserError, input_error
from p5rec.core.recipes import RECORD
from p5rec.data.config import DataConfig
from p5rec.data.reading import whole_logs
from p5rec.data.tombstones import Tombstones

from .requests import Pending, request_of
from .stages import Stage, Stages
from .wanted import Named, Wanted, prepared_keys


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


def make_plan(
    wanted: Wanted,
    runs: dict[Path, DataConfig],
    basis: str,
    stages: Stages,
    *,
    partly: bool = False,
) -> Plan:
    """The plan of a request.

    Args:
        wanted: the events.
        runs: folder of each run to compute again → its data.
        basis: the requester's reason.
        stages: of the store.
        partly: whether ids and lines without an event are left out.

    Raises:
        UserError: no log has an event of the request, or of a line of it; or a run starts from a
            model that saw the events.
    """
    tombstones, sources, names = Tombstones.kept(), dict[str, int](), [wanted.keys]
    marks, events, matched = ([np.zeros(0, dtype)] for dtype in (np.uint64, np.uint64, np.int64))
    for config in runs.values():
        for part, log in whole_logs(config).items():
            lines = wanted.of_part(part)
            chosen, of_lines = lines.among(log, config.leaves[part])
            if not chosen.any():
                continue
            every = tombstones.marks_of(log)
            marks.append(every[chosen])
            events.append(prepared_keys(log, np.isin(every, every[chosen]), part))
            names.append(lines.keys)
            matched.append(of_lines)
            sources[str(log.files[0].resolve())] = int(chosen.sum())
    if not sources:
        where = str(wanted.where) if wanted.where else "--user"
        logs = ", ".join(str(config.path) for config in runs.values())
        raise input_error(
            where, f"events in the logs of the runs ({logs})", "none",
            "check the ids and times, or name the run of another log",
        )  # fmt: skip
    lost = wanted.unmatched(np.concatenate(matched))
    if lost is not None and not partly:
        raise lost
    named = Named(np.unique(np.concatenate(names), axis=0), np.unique(np.concatenate(events)))
    check_starts(runs, named)
    marked = Tombstones(tombstones.salt, np.unique(np.concatenate(marks)))
    folders = tuple(str(folder.resolve()) for folder in runs)
    made = request_of(marked, named, folders, basis, sources)
    touched = stages.holding(named)
    used = {key: stage for folder in runs for key, stage in stages.of_run(folder).items()}
    return Plan(
        made,
        touched,
        {key: stage for key, stage in used.items() if key in touched},
        {key: stage for key, stage in used.items() if key not in touched},
        stages.other_runs(touched, [*runs]),
    )


def check_starts(runs: Collection[Path], named: Named) -> None:
    """Checks that no run starts from a model outside ``runs`` that saw the events.

    Raises:
        UserError: a setting of a run names the folder of such a model.
    """
    inside = {folder.resolve() for folder in runs}
    for folder in runs:
        for key, value in _texts(read_yaml(folder / RECORD)[0]):
            model = Path(value)
            if not (model / LINEAGE).is_file() or inside & {*model.resolve().parents}:
                continue
            if Lineage.read(model).contains(named.events).any():
                raise input_error(
                    f"{folder / RECORD}: {key}", "a model that did not see the events", value,
                    "name its run with --run before this one, or start from another",
                )  # fmt: skip


def _texts(tree: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """The texts of a config, by key."""
    if isinstance(tree, str):
        yield at, tree
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _texts(value, f"{at}.{key}".lstrip("."))


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
