"""The state of runs and stages before requests are carried out, for their receipts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path

from p5rec.core.artefacts import read_json, write_json
from p5rec.core.config import Config
from p5rec.core.content import content_hash
from p5rec.data.tombstones import forget_folder

from .receipt import Artefact
from .stages import Stage, Stages

FILE = "before.json"


class StageBefore(Config):
    """A stage.

    Attributes:
        kind: its name.
        identity: see :meth:`.stages.Stages.identity`.
        hash: of its content.
    """

    kind: str
    identity: str
    hash: str


class RunBefore(Config):
    """A run.

    Attributes:
        stages: those that it uses, by key.
        output: the content hash of its folder.
    """

    stages: dict[str, StageBefore]
    output: str


class Before(Config):
    """The state before the first of some requests is carried out.

    Attributes:
        runs: by folder.
        held: the stages that saw the events, by key.
        requests: the ids of the requests.
        started: when the first of them was begun, in seconds since 1970.
    """

    runs: dict[str, RunBefore]
    held: dict[str, StageBefore]
    requests: tuple[str, ...]
    started: float

    @classmethod
    def now(
        cls,
        folders: Iterable[Path],
        held: Mapping[str, Stage],
        stages: Stages,
        requests: tuple[str, ...],
    ) -> Before:
        """The present state; what an interrupted call has written is the state of its runs.

        Args:
            folders: of the runs.
            held: the stages that still hold the events.
            stages: of the store.
            requests: their ids.
        """
        path = forget_folder() / FILE
        earlier = cls(runs={}, held={}, requests=requests, started=time.time())
        if path.is_file():
            written = cls(**read_json(path))
            if {*written.requests} & {*requests}:  # else a kill left it after its requests ended
                earlier = written

        def state(chosen: Mapping[str, Stage]) -> dict[str, StageBefore]:
            return {
                key: StageBefore(
                    kind=stage.kind, identity=stages.identity(key), hash=content_hash(stage.path)
                )
                for key, stage in chosen.items()
            }

        runs = {
            str(folder): RunBefore(stages=state(stages.of_run(folder)), output=content_hash(folder))
            for folder in folders
            if str(folder) not in earlier.runs
        }
        made = cls(
            runs={**runs, **earlier.runs},
            held={**state(held), **earlier.held},
            requests=requests,
            started=earlier.started,
        )
        write_json(path, made.dump())
        return made

    def finish(self) -> None:
        """Deletes the written state."""
        (forget_folder() / FILE).unlink()

    def artefacts(self, after: Stages, remaining: Stages) -> tuple[Artefact, ...]:
        """The stages of the runs before and after, and all others that saw the events.

        Args:
            after: the stages after the runs were computed again.
            remaining: those that were not deleted then.
        """
        found = dict[tuple[str, str], Artefact]()
        for folder, run in self.runs.items():
            used = after.of_run(Path(folder))
            fresh = dict[str, list[str]]()
            for key in sorted(used.keys() - run.stages.keys()):
                fresh.setdefault(after.identity(key), []).append(key)
            for key, stage in run.stages.items():
                alike = fresh.get(stage.identity)
                new = key if key in used else alike.pop() if alike else ""
                gone = "unused" if key in remaining.by_key else "deleted"
                state = "untouched" if key in used else "computed again" if new else gone
                found[key, new] = Artefact(
                    stage=stage.kind, state=state, old=key, old_hash=stage.hash, new=new,
                    new_hash=content_hash(used[new].path) if new else "",
                )  # fmt: skip
            for key in chain(*fresh.values()):
                found["", key] = Artefact(
                    stage=used[key].kind, state="new", new=key,
                    new_hash=content_hash(used[key].path),
                )  # fmt: skip
        known = {old for old, _ in found}
        others = [
            Artefact(stage=stage.kind, state="deleted", old=key, old_hash=stage.hash)
            for key, stage in self.held.items()
            if key not in known
        ]
        return (*found.values(), *others)
