"""The stages of a store as a graph, and those that saw given events."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from p5rec.core.artefacts import Lineage, digest, read_json
from p5rec.core.using import REPORT, read_runs
from p5rec.core.working import MANIFEST, missing
from p5rec.data.prepare import load_corpus
from p5rec.methods.folder import contents

from .wanted import Named

DATA, COUNTS = "data", "forgotten"
FORGOTTEN = ("forgotten", "tombstones")  # entries of a data stage's config that forgetting adds


@dataclass(frozen=True)
class Stage:
    """A finished stage.

    Attributes:
        path: its folder.
        manifest: its manifest.
    """

    path: Path
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        """``name/key``."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def kind(self) -> str:
        """The name without the key."""
        return self.path.parent.name

    @property
    def inputs(self) -> Mapping[str, str]:
        """The keys of the stages, or the hashes of the files, that it read."""
        inputs: Mapping[str, str] = self.manifest["inputs"]
        return inputs


@dataclass(frozen=True, eq=False)
class Stages:
    """All finished stages of a store.

    Attributes:
        root: the store's folder.
        by_key: key → stage.
    """

    root: Path
    by_key: Mapping[str, Stage]

    @classmethod
    def read(cls, root: Path) -> Stages:
        """The stages under ``root``; damaged ones are left out."""
        folders = sorted(path.parent for path in root.glob(f"[!.]*/[!.]*/{MANIFEST}"))
        finished = [Stage(f, read_json(f / MANIFEST)) for f in folders if not missing(f)]
        return cls(root, {stage.path.name: stage for stage in finished})

    def of_run(self, folder: Path) -> dict[str, Stage]:
        """The stages that the run in ``folder`` uses, directly or through others, by key; without
        the counts of tombstones in its files."""
        direct = [
            name.split("/")[1]
            for run, names in read_runs(self.root).values()
            if Path(run) == folder.resolve()
            for name in names
        ]
        used = self._closure(direct, lambda key: self.by_key[key].inputs.values())
        return {key: stage for key, stage in used.items() if stage.kind != COUNTS}

    def holding(self, named: Named) -> dict[str, Stage]:
        """The stages that saw events, by key.

        Prepared data see the events in them. A stage sees those of its lineage, and what the
        stages that it read saw.
        """
        own, every = list[str](), [named.events]
        for key, stage in self.by_key.items():
            if stage.kind == DATA:
                log = load_corpus(stage.path).interactions
                seen = log.event_keys[named.among(log)]
                own += [key] if len(seen) else []
                every.append(seen)
        events = np.unique(np.concatenate(every))
        own += [
            key for key, stage in self.by_key.items()
            if stage.kind != DATA and Lineage.read(stage.path).contains(events).any()
        ]  # fmt: skip
        frames = [
            read for key in own if self.by_key[key].kind == DATA
            for read in self.by_key[key].inputs.values() if read in self.by_key
        ]  # fmt: skip
        return self._closure([*own, *frames], lambda key: self._readers.get(key, ()))

    def readers_of_lost_parts(self, lost: Collection[str]) -> dict[str, Stage]:
        """The stages that read, by content, a part that ``lost`` stages have and no other stage,
        and the stages that read them.

        Such a stage names the content of a folder and not the stage that wrote it, and held-out
        events in it are in no lineage.

        Args:
            lost: keys of stages.
        """
        read = {value for stage in self.by_key.values() for value in stage.inputs.values()}
        parts = {key: self._parts(key) & read for key in lost if key in self.by_key}
        gone = set[str]().union(*parts.values())
        kinds = {self.by_key[key].kind for key, own in parts.items() if own}
        for key, stage in self.by_key.items():
            if stage.kind in kinds and key not in lost:
                gone -= self._parts(key)
        first = [k for k, s in self.by_key.items() if gone & {*s.inputs.values()}]
        return self._closure(first, lambda key: self._readers.get(key, ()))

    def _parts(self, key: str) -> set[str]:
        """The content of each folder in a stage, as readers of its content name it."""
        folders = (path for path in self.by_key[key].path.iterdir() if path.is_dir())
        return {digest(contents(folder)) for folder in folders}

    def other_runs(self, held: Mapping[str, Stage], folders: Collection[Path]) -> tuple[str, ...]:
        """The folders of runs, other than ``folders``, that use a stage of ``held``."""
        known = {folder.resolve() for folder in folders}
        return tuple(
            run for run, _ in read_runs(self.root).values()
            if Path(run) not in known
            and (Path(run) / REPORT).is_file()
            and held.keys() & self.of_run(Path(run)).keys()
        )  # fmt: skip

    def identity(self, key: str) -> str:
        """A hash that a stage shares with the one that is computed in its place after forgetting:
        of its config and the stages that it reads, without its code and the files' content."""
        if key not in self._identities:
            stage = self.by_key[key]
            config = {k: v for k, v in stage.manifest["config"].items() if k not in FORGOTTEN}
            inputs = {
                name: self.identity(read) if read in self.by_key else ""
                for name, read in stage.inputs.items()
            }
            self._identities[key] = digest([stage.kind, config, inputs])
        return self._identities[key]

    @cached_property
    def _readers(self) -> dict[str, list[str]]:
        """Key → the keys of the stages that read it."""
        readers: dict[str, list[str]] = {}
        for key, stage in self.by_key.items():
            for read in stage.inputs.values():
                readers.setdefault(read, []).append(key)
        return readers

    @cached_property
    def _identities(self) -> dict[str, str]:
        return {}

    def _closure(
        self, first: Iterable[str], following: Callable[[str], Iterable[str]]
    ) -> dict[str, Stage]:
        todo, found = list(first), dict[str, Stage]()
        while todo:
            key = todo.pop()
            if key in found or key not in self.by_key:
                continue
            found[key] = self.by_key[key]
            todo += following(key)
        return found
