"""The content-hashed store: the result of each stage, with its manifest and lineage.

A stage writes into a working folder, which one rename publishes, so no reader sees an unfinished
artefact. The key is the hash of the stage's name, its config, the keys of its inputs, its code and
the versions of its libraries. A second run with the same key reads the cached result. The process
that runs a stage holds its lock, so concurrent runs compute it once.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from copy import copy
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import numpy as np

from .atomic import atomic_write
from .code import CODE, Work, version_of
from .errors import UserError, WriteRefused, disk_full, input_error
from .launch import processes, rank
from .locks import exclusive_lock
from .spent import Spent, spent_on
from .using import InUse, runs_file
from .working import (
    MANIFEST,
    collective_lock,
    disk_errors,
    follow,
    missing,
    publish,
    sizes,
    working,
)

WAITING = "another run is computing it; waiting"
LIBRARIES = ("numpy", "polars", "torch", "transformers", "peft", "trl", "accelerate", "datasets")
LINEAGE = "lineage.npy"


def write_json(path: Path, value: Any) -> None:
    """Writes ``value`` as indented JSON, atomically."""
    with atomic_write(path) as handle:
        json.dump(value, handle, indent=2, ensure_ascii=False)
        handle.write("\n")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns write errors under ``path`` into one-line user errors.

    Raises:
        WriteRefused: the disk is full, or the folder is not writable.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        full = disk_full(error, next(p for p in (path, *path.absolute().parents) if p.exists()))
        if isinstance(error, FileNotFoundError) and not full:
            todo = "run the command again; it recreates missing files"
            raise input_error(error.filename or path, "a file", "nothing there", todo) from error
        if not full and not isinstance(error, OSError):
            raise
        reason = "a full disk" if full else getattr(error, "strerror", None) or str(error)
        raise WriteRefused(path, reason) from error


def read_json(path: Path) -> Any:
    """Reads a JSON file that p5rec wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise input_error(path, "a JSON file", "nothing there", "check the folder") from None
    except (ValueError, RecursionError) as error:
        raise input_error(
            path, "valid JSON", str(error), "the file is damaged: create it again"
        ) from None


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    digest = sha256()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def digest(value: Any) -> str:
    """A short hash of plain data (numbers, strings, lists, mappings)."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return blake2b(text.encode(), digest_size=10).hexdigest()


def library_versions() -> dict[str, str]:
    """Versions of the libraries that a result depends on."""
    return {name: version_of(name) for name in ("p5rec", *LIBRARIES)}


@dataclass(frozen=True, eq=False)
class Lineage:
    """The events an artefact was computed from, identified across versions of the data.

    Attributes:
        events: ``(S,)`` uint64 event keys (``Interactions.event_keys``), ascending and unique.
    """

    events: np.ndarray

    def __post_init__(self) -> None:
        if self.events.dtype == bool:
            raise TypeError("expected keys of events, got a mask")
        keys = np.sort(np.asarray(self.events, dtype=np.uint64))
        new = np.ones(len(keys), dtype=bool)  # np.unique is a hundred times slower
        new[1:] = keys[1:] != keys[:-1]
        object.__setattr__(self, "events", keys[new])

    @classmethod
    def none(cls) -> Lineage:
        """An empty lineage."""
        return cls(np.zeros(0, dtype=np.uint64))

    @classmethod
    def read(cls, folder: Path) -> Lineage:
        """The lineage file in the folder of a stage or a published model.

        Raises:
            UserError: the file is missing or damaged.
        """
        if not (folder / LINEAGE).is_file():
            raise input_error(
                folder / LINEAGE, "the training events of a model", "nothing there",
                "copy the folder again, or refit the model",
            )  # fmt: skip
        try:
            return cls(np.load(folder / LINEAGE, allow_pickle=False))
        except (OSError, EOFError, ValueError, TypeError):
            raise input_error(
                folder / LINEAGE, "event keys", "a damaged file",
                "copy the folder again, or refit the model",
            ) from None  # fmt: skip

    def __or__(self, other: Lineage) -> Lineage:
        return Lineage(np.concatenate([self.events, other.events]))

    def contains(self, keys: np.ndarray) -> np.ndarray:
        """``(E,)`` bool: which of the events ``keys (E,)`` are in the lineage."""
        return np.isin(keys, self.events)

    def summary(self) -> dict[str, Any]:
        """The number of events and a digest, for the manifest."""
        digest = sha256(self.events.astype("<u8").tobytes()).hexdigest()[:20]
        return {"events_seen": len(self.events), "digest": digest}


@dataclass(frozen=True)
class Artefact:
    """A finished stage: its folder, its key, and whether it was just computed (``fresh``)."""

    path: Path
    key: str
    fresh: bool = False

    @property
    def manifest(self) -> dict[str, Any]:
        """Provenance: stage, config, inputs, versions, lineage, counts, seconds, and ``spent``,
        what this stage and each upstream stage took (:class:`.spent.Spent`)."""
        value: dict[str, Any] = read_json(self.path / "manifest.json")
        return value

    @property
    def lineage(self) -> Lineage:
        """The events it was computed from, including those of its inputs."""
        return Lineage.read(self.path)


Compute = Callable[[Path], Lineage]


class NotCached(Exception):
    """A stage is not in the cache, and the store does not compute stages."""


@dataclass(frozen=True)
class Store:
    """Artefacts under one folder, addressed by content hash.

    Attributes:
        root: the folder.
        notify: receives one log line per stage, "made" or "cached".
        rank: the rank of this process in its launch; rank 0 computes the artefacts, the others
            wait for them.
        used: the stages requested so far.
        computes: whether a stage that is not cached is computed.
        notified: the stages (``name/key``) that have had their log line; they get no other. None:
            every request of a stage is logged.
    """

    root: Path
    notify: Callable[[str], None] = print
    rank: int = field(default_factory=rank)
    used: InUse = field(default_factory=InUse, init=False, compare=False, repr=False)
    computes: bool = field(default=True, init=False)
    notified: set[str] | None = field(default=None, init=False, compare=False, repr=False)

    def cached_only(self) -> Store:
        """The same store, which raises :class:`NotCached` for a stage that is not cached."""
        store = copy(self)
        object.__setattr__(store, "computes", False)
        return store

    def quiet(self) -> Store:
        """The same store, without a line for each stage."""
        store = copy(self)
        object.__setattr__(store, "notify", lambda _: None)
        object.__setattr__(store, "notified", None)
        return store

    def notifying_once(self) -> Store:
        """The same store, with one log line for each stage."""
        store = copy(self)
        object.__setattr__(store, "notified", set())
        return store

    def artefact_of(self, path: Path) -> Artefact | None:
        """The stage whose folder contains the file ``path``; None if no stage does.

        The stage is recorded as used.
        """
        folder = path.absolute().parent
        if folder.parent.parent != self.root.absolute() or not (folder / MANIFEST).is_file():
            return None
        self.used.add(self.root, f"{folder.parent.name}/{folder.name}")
        return Artefact(folder, folder.name)

    def note_run(self, folder: Path) -> None:
        """Records that the run in ``folder`` uses every stage requested so far."""
        run = {"folder": str(folder.resolve()), "stages": list(self.used.stages)}
        with suppress(OSError):  # a read-only store has no records; the results are complete
            write_json(runs_file(self.root, folder), run)

    def stage(
        self,
        name: str,
        compute: Compute,
        *,
        config: Mapping[str, Any],
        code: tuple[Work, ...],
        inputs: Mapping[str, Artefact | str] | None = None,
        resumable: bool = False,
        collective: bool = False,
        what: str = "",
    ) -> Artefact:
        """The artefact of a stage: cached, or computed now.

        Args:
            name: the name of the stage and of its folder under ``root``.
            compute: fills the given folder and returns the lineage of the events it reads itself.
            config: every setting of the stage, seeds included, as plain data.
            code: the functions that ``compute`` calls and the targets of the registry names that
                they look up; the key contains the code reachable from them
                (:mod:`p5rec.core.code`).
            inputs: the artefacts (or content hashes of files) that the stage reads.
            resumable: keep the working folder of an interrupted stage, so ``compute`` can resume.
            collective: every process runs ``compute`` (training) on the working folder, so the
                stage must be resumable as well.
            what: the subject of the stage, for its log line.

        Raises:
            UserError: the disk is full or the folder is not writable.
        """
        inputs = dict(inputs or {})
        recipe = {
            "stage": name,
            "config": config,
            "code": CODE.digest(*code),
            "libraries": CODE.libraries(*code),
            "inputs": {k: v.key if isinstance(v, Artefact) else v for k, v in inputs.items()},
        }
        key = digest(recipe)
        final, work = self.root / name / key, self.root / name / f".{key}.work"
        if self.rank:
            return Artefact(final, key, fresh=follow(final, work, compute if collective else None))
        self.used.add(self.root, f"{name}/{key}")
        line = f"{name} {what}".strip()
        if not missing(final):
            return self._cached(final, line)
        if not self.computes:
            raise NotCached(line)
        started, n_processes = time.perf_counter(), processes() if collective else 1
        with disk_errors(name, self.root):
            final.parent.mkdir(parents=True, exist_ok=True)
            with exclusive_lock(
                work.with_suffix(".lock"), lambda: self.notify(f"{line}: {WAITING}")
            ):
                if final.exists():
                    if not (lost := missing(final)):
                        return self._cached(final, line)
                    self.notify(f"{line}: {lost[0]} of {final} is missing or damaged; recomputing")
                with (
                    working(work, resumable),
                    collective_lock(work) if collective else nullcontext(),
                ):
                    lineage = compute(work)
                    upstream = [value for value in inputs.values() if isinstance(value, Artefact)]
                    seconds = round(time.perf_counter() - started, 3)
                    spent = Spent(round(time.time() - seconds, 3), seconds, n_processes)
                    _describe(work, f"{name}/{key}", recipe, lineage, upstream, spent)
                    publish(work, final)
        by = f" by {n_processes} processes" * (n_processes > 1)
        self._log(final, f"{line}: made {final} in {time.perf_counter() - started:.1f} s{by}")
        return Artefact(final, key, fresh=True)

    def _cached(self, final: Path, line: str) -> Artefact:
        with suppress(OSError):  # a read-only store
            os.utime(final / MANIFEST)  # the time of last use
        self._log(final, f"{line}: cached {final}")
        return Artefact(final, final.name)

    def _log(self, final: Path, line: str) -> None:
        stage = f"{final.parent.name}/{final.name}"
        if self.notified is None or stage not in self.notified:
            self.notify(line)
        if self.notified is not None:
            self.notified.add(stage)


def _describe(
    work: Path,
    stage: str,
    recipe: Mapping[str, Any],
    lineage: Lineage,
    upstream: Sequence[Artefact],
    spent: Spent,
) -> None:
    """Writes the lineage and the manifest of the artefact in ``work``.

    Args:
        stage: its name and key.
        recipe: the data that the key hashes.
        lineage: the events that the stage read itself.
        upstream: the artefacts that the stage read.
        spent: what the stage took.
    """
    for artefact in upstream:
        lineage = lineage | artefact.lineage
    np.save(work / LINEAGE, lineage.events)
    manifest = {
        **recipe,
        "lineage": lineage.summary(),
        "seconds": spent.seconds,
        "spent": {**spent_on(artefact.manifest for artefact in upstream), stage: spent},
        "versions": library_versions(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "files": sizes(work),
    }
    write_json(work / MANIFEST, manifest)
