"""Carrying requests out: compute again, delete, check, and write receipts.

A kill at any point leaves the requests pending, and the next call finishes them: stages that were
computed again are cached, and the outputs of a run are published all or none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import file_sha256, library_versions
from p5rec.core.config import Tree, read_yaml
from p5rec.core.content import content_hash
from p5rec.core.errors import UserError
from p5rec.core.inventory import FINISHED, entries, remove
from p5rec.core.locks import exclusive_lock, print_waiting
from p5rec.core.paths import answers_home, files_in
from p5rec.core.recipes import RECORD
from p5rec.core.using import in_use
from p5rec.data.named_pairs import EVERY
from p5rec.data.tombstones import forget_folder
from p5rec.recommend.people.edits import EditStore
from p5rec.recommend.people.feedback import FeedbackStore
from p5rec.recommend.people.folder import people_folder

from .before import Before
from .receipt import Output, Receipt
from .requests import Pending, pending
from .stages import DATA, Stage, Stages
from .wanted import Named

LOCK = ".lock"
POLL = 1.0  # seconds between looks at stages in use
TEXTS = "texts"  # the stage of texts that a language model writes
VERIFY = "p5rec forget verify {} --rederive"


def carry_out(
    root: Path, rerun: Callable[[Path], None], notify: Callable[[str], None]
) -> list[Path]:
    """Carries out all pending requests; returns the paths of their receipts.

    Requests that wait are carried out together. A call that finds another one at work waits for it.

    Args:
        root: the store's folder.
        rerun: runs the config in a run's folder again, into that folder.
        notify: receives one line for each step.

    Raises:
        UserError: a stage that saw the events is still used; or see ``rerun``. The requests then
            stay pending.
    """
    busy = print_waiting("other requests are being carried out")
    with exclusive_lock(forget_folder() / LOCK, busy):
        if not (requests := pending()):
            return []
        for each in requests:
            each.bury()
        named = Named.joined([each.named for each in requests])
        folders = [*dict.fromkeys(Path(run) for each in requests for run in each.request.runs)]
        stages, held = _when_unused(root, named, notify)
        others = stages.other_runs(held, folders)
        ids = tuple(each.request.id for each in requests)
        before = Before.now(folders, held, stages, ids)
        for folder in folders:
            notify(f"{folder}: computing again")
            rerun(folder)
        after = Stages.read(root)
        _check_fresh({*before.held, *after.holding(named)}, folders, after)
        texts = any(stage.kind == TEXTS for stage in before.held.values())
        readers = after.readers_of_lost_parts(before.held.keys())
        deleted = _delete(root, readers, 0.0)  # first: a kill must leave what names them
        checked = _delete(root, before.held, before.started if texts else 0.0)
        checked = {name: count + deleted[name] for name, count in checked.items()}
        checked |= _delete_told(folders, named.keys)
        remaining = Stages.read(root)
        checked |= {"stages": len(remaining.by_key)}
        if left := remaining.holding(named):
            names = ", ".join(sorted(stage.name for stage in left.values()))
            raise UserError(
                f"expected no stage that saw the events to be left, got {names}; run `p5rec forget "
                "resume` when no other command is running"
            )
        checked |= {"stages holding the events": 0}
        receipt = Receipt(
            request=requests[0].request,
            together_with=(),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            artefacts=before.artefacts(after, remaining),
            outputs=tuple(_output(folder, before) for folder in folders),
            other_runs=others,
            checked=checked,
            versions=library_versions(),
            command="",
        )
        paths = [_own(receipt, each, requests).signed().write() for each in requests]
        for each in requests:
            each.finish()
        before.finish()
        return paths


def _when_unused(
    root: Path, named: Named, notify: Callable[[str], None]
) -> tuple[Stages, dict[str, Stage]]:
    """All stages, and those that saw the events, once no running process uses one of these."""
    told = False
    while True:
        stages = Stages.read(root)
        held, used = stages.holding(named), in_use(root)
        # data that are being prepared may have been read before the tombstones were written
        made = {name for name in used if name.startswith(f"{DATA}/")}
        made -= {stage.name for stage in stages.by_key.values()}
        busy = sorted({stage.name for stage in held.values()} & used | made)
        if not busy:
            return stages, held
        if not told:
            notify(f"{busy[0]}: a running process uses it; waiting")
            told = True
        time.sleep(POLL)


def _check_fresh(held: Iterable[str], folders: Sequence[Path], stages: Stages) -> None:
    """Checks that no run uses a stage that saw the events.

    Raises:
        UserError: a run does.
    """
    used = {key for folder in folders for key in stages.of_run(folder)}
    if stale := used & {*held}:
        names = ", ".join(sorted(stages.by_key[key].name for key in stale))
        raise UserError(
            f"expected every stage that saw the events to be computed again, got {names} from the "
            "cache; report this error: the stage's key lacks something that it reads"
        )


def _delete(root: Path, held: Iterable[str], answers_before: float) -> dict[str, int]:
    """Deletes the stages that saw the events, leftovers of interrupted runs, which may have seen
    them, and the answers of endpoints that were not read since ``answers_before``.

    Raises:
        UserError: a stage is in use.
    """
    doomed, deleted = {*held}, {"leftovers deleted": 0, "answers deleted": 0}
    for entry in entries(root):
        if entry.key in doomed:
            if not remove(entry, root):
                raise UserError(
                    f"{entry.stage}/{entry.key}: expected a stage that nobody uses, got a running "
                    "process that does; run `p5rec forget resume` when it has ended"
                )
        elif entry.state != FINISHED:
            deleted["leftovers deleted"] += remove(entry, root)
    for path in files_in(answers_home()).values():
        if path.stat().st_mtime < answers_before:
            path.unlink()
            deleted["answers deleted"] += 1
    return deleted


def _delete_told(folders: Sequence[Path], keys: np.ndarray) -> dict[str, int]:
    """Deletes what the forgotten people told the models of runs: profiles and feedback.

    Args:
        folders: of the runs.
        keys: ``(n, 2)``, see :func:`p5rec.data.named_pairs.named_pairs`.
    """
    people = dict.fromkeys(people_folder(folder) for folder in folders)
    users = keys[keys[:, 1] == EVERY, 0]
    return {
        "profiles deleted": sum(EditStore(folder).forget(users) for folder in people),
        "feedback deleted": sum(FeedbackStore(folder).forget(keys) for folder in people),
    }


def _output(folder: Path, before: Before) -> Output:
    config, _ = read_yaml(folder / RECORD)
    older = [
        name for name, path in files_in(folder).items() if path.stat().st_ctime < before.started
    ]
    return Output(
        folder=str(folder),
        config=file_sha256(folder / RECORD),
        seeds=_seeds(config),
        old_hash=before.runs[str(folder)].output,
        new_hash=content_hash(folder),
        older=tuple(sorted(older)),
    )


def _seeds(tree: Tree, at: str = "") -> dict[str, int]:
    """The seeds in a config, by key."""
    found = dict[str, int]()
    for key, value in tree.items():
        if key == "seed" and isinstance(value, int):
            found[at + key] = value
        elif isinstance(value, dict):
            found |= _seeds(value, f"{at}{key}.")
    return found


def _own(receipt: Receipt, one: Pending, requests: Sequence[Pending]) -> Receipt:
    """``receipt`` of one of the requests that were carried out together."""
    changed = {
        "request": one.request,
        "together_with": tuple(r.request.id for r in requests if r is not one),
    }
    own = receipt.model_copy(update=changed)
    return own.model_copy(update={"command": VERIFY.format(own.path)})
