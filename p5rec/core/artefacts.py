"""The store: every stage's result under the hash of what made it, with its manifest and lineage.

A stage runs in a working folder and becomes visible by one rename, so a half-made artefact is
never seen. The key is the hash of the stage's name, its config, the keys of its inputs, the code it
runs and the libraries' versions, so a second run finds what the first one made and does nothing.
Who makes a stage holds its lock, so that runs at the same time make it once.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from copy import copy
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np

from .code import CODE, Work, version_of
from .errors import Refused, UserError, disk_full, fault
from .launch import rank
from .locks import alone
from .using import InUse, runs_file
from .working import MANIFEST, disk_told, follow, missing, publish, sizes, together, working

WAITING = "another run is making it; waiting"
LIBRARIES = ("numpy", "polars", "torch", "transformers", "peft", "trl", "accelerate", "datasets")
LINEAGE = "lineage.npy"


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[Any]:
    """A file handle whose contents appear at ``path`` whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{token_hex(4)}.tmp")  # no other writer's, anywhere
    try:
        with open(
            temporary, mode.replace("w", "x"), encoding=None if "b" in mode else "utf-8"
        ) as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(path: Path) -> None:
    """Removes what killed writers of ``path`` were writing; nobody may be writing it now."""
    left = re.compile(
        rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.tmp"
    )  # as atomic_write names them
    for beside in path.parent.iterdir() if path.parent.is_dir() else ():
        if left.fullmatch(beside.name):
            beside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """``value`` as readable JSON, atomically."""
    with atomic_write(path) as handle:
        json.dump(value, handle, indent=2, ensure_ascii=False)
        handle.write("\n")


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Tells in one line what the disk refuses while ``place`` is being written.

    Raises:
        Refused: the disk is full, or does not let us write there.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        full = disk_full(error, next(p for p in (place, *place.absolute().parents) if p.exists()))
        if isinstance(error, FileNotFoundError) and not full:
            todo = "run the command again, which makes anew what is missing"
            raise fault(error.filename or place, "a file", "nothing there", todo) from error
        if not full and not isinstance(error, OSError):
            raise
        reason = "a full disk" if full else getattr(error, "strerror", None) or str(error)
        raise Refused(place, reason) from error


def read_json(path: Path) -> Any:
    """The value in a JSON file of ours.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise fault(path, "a JSON file", "nothing there", "check the folder") from None
    except (ValueError, RecursionError) as error:
        raise fault(path, "valid JSON", str(error), "the file is damaged: make it again") from None


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    digest = sha256()
    with open(path, "rb") as handle:
        while piece := handle.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def digest(value: Any) -> str:
    """A short hash of plain data (numbers, strings, lists, mappings)."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return blake2b(text.encode(), digest_size=10).hexdigest()


def seconds_of(artefacts: Iterable[Artefact]) -> float:
    """What the stages of ``artefacts`` took, those before them included, each counted once."""
    spent: dict[str, float] = {}
    for artefact in artefacts:
        spent |= artefact.manifest["spent"]
    return sum(spent.values())


def library_versions() -> dict[str, str]:
    """Versions of the libraries a result depends on."""
    return {name: version_of(name) for name in ("p5rec", *LIBRARIES)}


@dataclass(frozen=True, eq=False)
class Lineage:
    """Which events an artefact has seen, whatever the version of the data they are found in.

    Attributes:
        events: ``(S,)`` uint64, their keys (``Interactions.event_keys``), ascending, each once.
    """

    events: np.ndarray

    def __post_init__(self) -> None:
        if self.events.dtype == bool:
            raise TypeError("expected keys of events, got a mask")
        keys = np.sort(np.asarray(self.events, dtype=np.uint64))
        new = np.ones(len(keys), dtype=bool)  # np.unique takes a hundred times as long
        new[1:] = keys[1:] != keys[:-1]
        object.__setattr__(self, "events", keys[new])

    @classmethod
    def none(cls) -> Lineage:
        """Nothing seen."""
        return cls(np.zeros(0, dtype=np.uint64))

    @classmethod
    def read(cls, folder: Path) -> Lineage:
        """What a stage, or a model that is laid out, has seen.

        Raises:
            UserError: nobody noted that, or the file is damaged.
        """
        if not (folder / LINEAGE).is_file():
            raise fault(
                folder / LINEAGE, "the events that a model has seen", "nothing there",
                "copy the folder anew, or fit it again",
            )  # fmt: skip
        try:
            return cls(np.load(folder / LINEAGE, allow_pickle=False))
        except (OSError, EOFError, ValueError, TypeError):
            raise fault(
                folder / LINEAGE, "keys of events", "a damaged file",
                "copy the folder anew, or fit it again",
            ) from None  # fmt: skip

    def __or__(self, other: Lineage) -> Lineage:
        return Lineage(np.concatenate([self.events, other.events]))

    def among(self, keys: np.ndarray) -> np.ndarray:
        """``(E,)`` bool: which of the events ``keys (E,)`` are among those seen."""
        return np.isin(keys, self.events)

    def summary(self) -> dict[str, Any]:
        """A count and a digest, for the manifest."""
        told = sha256(self.events.astype("<u8").tobytes()).hexdigest()[:20]
        return {"events_seen": len(self.events), "digest": told}


@dataclass(frozen=True)
class Artefact:
    """A finished stage: its folder, its key, and whether it was found or made just now."""

    path: Path
    key: str
    fresh: bool = False

    @property
    def manifest(self) -> dict[str, Any]:
        """What made it: stage, config, inputs, versions, lineage, counts, seconds, and those that
        it and the stages before it took (``spent``)."""
        value: dict[str, Any] = read_json(self.path / "manifest.json")
        return value

    @property
    def lineage(self) -> Lineage:
        """Which events it has seen, its inputs' included."""
        return Lineage.read(self.path)


Make = Callable[[Path], Lineage]


class NotMade(Exception):
    """A stage is not in a store that makes none."""


@dataclass(frozen=True)
class Store:
    """Artefacts under one folder, found by content.

    Attributes:
        root: the folder.
        say: told one line a stage, "made" or "kept".
        rank: this process's number among those launched together; number 0 makes the artefacts
            and the others wait for them.
        used: the stages asked for so far.
        makes: whether what is not there is made.
        told: the stages (``name/key``) that a line was said of, and none is said of again; None: a
            line is said whenever one is asked for.
    """

    root: Path
    say: Callable[[str], None] = print
    rank: int = field(default_factory=rank)
    used: InUse = field(default_factory=InUse, init=False, compare=False, repr=False)
    makes: bool = field(default=True, init=False)
    told: set[str] | None = field(default=None, init=False, compare=False, repr=False)

    def without_making(self) -> Store:
        """The same store, which raises :class:`NotMade` where a stage is not there."""
        found = copy(self)
        object.__setattr__(found, "makes", False)
        return found

    def quiet(self) -> Store:
        """The same store, without a line for each stage."""
        found = copy(self)
        object.__setattr__(found, "say", lambda _: None)
        object.__setattr__(found, "told", None)
        return found

    def telling_once(self) -> Store:
        """The same store, which says one line of each stage."""
        found = copy(self)
        object.__setattr__(found, "told", set())
        return found

    def holding(self, path: Path) -> Artefact | None:
        """The stage in whose folder the file ``path`` lies, which is noted as asked for; None: it
        lies elsewhere."""
        folder = path.absolute().parent
        if folder.parent.parent != self.root.absolute() or not (folder / MANIFEST).is_file():
            return None
        self.used.add(self.root, f"{folder.parent.name}/{folder.name}")
        return Artefact(folder, folder.name)

    def published(self, folder: Path) -> None:
        """Notes that the run in ``folder`` was made of every stage asked for so far."""
        noted = {"folder": str(folder.resolve()), "stages": list(self.used.stages)}
        with suppress(OSError):  # the results are there; a store that we may only read has no notes
            write_json(runs_file(self.root, folder), noted)

    def stage(
        self,
        name: str,
        make: Make,
        *,
        config: Mapping[str, Any],
        code: tuple[Work, ...],
        inputs: Mapping[str, Artefact | str] | None = None,
        resumable: bool = False,
        collective: bool = False,
        what: str = "",
    ) -> Artefact:
        """The artefact of a stage, made now unless it is there.

        Args:
            name: the stage, a word; also the folder under ``root``.
            make: fills the folder it is given and returns the events it used itself.
            config: everything that steers it, seeds included, as plain data.
            code: the functions that ``make`` calls, and the targets of the registry's names that
                they look up: what these can run (:mod:`p5rec.core.code`) is in the key.
            inputs: artefacts (or content hashes of files) it reads.
            resumable: keep the working folder when interrupted, so that ``make`` can go on from it.
            collective: every process runs ``make`` (training) on the working folder, so it must
                be resumable as well.
            what: names in its line what the stage is of.

        Raises:
            UserError: the disk is full or the folder cannot be written.
        """
        inputs = dict(inputs or {})
        parts = {
            "stage": name,
            "config": config,
            "code": CODE.digest(*code),
            "libraries": CODE.libraries(*code),
            "inputs": {k: v.key if isinstance(v, Artefact) else v for k, v in inputs.items()},
        }
        key = digest(parts)
        final, work = self.root / name / key, self.root / name / f".{key}.work"
        if self.rank:
            return Artefact(final, key, fresh=follow(final, work, make if collective else None))
        self.used.add(self.root, f"{name}/{key}")
        line = f"{name} {what}".strip()
        if not missing(final):
            return self._kept(final, line)
        if not self.makes:
            raise NotMade(line)
        started = time.perf_counter()
        with disk_told(name, self.root):
            final.parent.mkdir(parents=True, exist_ok=True)
            with alone(work.with_suffix(".lock"), lambda: self.say(f"{line}: {WAITING}")):
                if final.exists():
                    if not (gone := missing(final)):
                        return self._kept(final, line)
                    self.say(f"{line}: {gone[0]} of {final} is missing or damaged; making it again")
                with working(work, resumable), together(work) if collective else nullcontext():
                    lineage = make(work)
                    before = [value for value in inputs.values() if isinstance(value, Artefact)]
                    _describe(work, f"{name}/{key}", parts, lineage, before, started)
                    publish(work, final)
        self._tell(final, f"{line}: made {final} in {time.perf_counter() - started:.1f} s")
        return Artefact(final, key, fresh=True)

    def _kept(self, final: Path, line: str) -> Artefact:
        with suppress(OSError):  # a store that we may only read
            os.utime(final / MANIFEST)  # when it was last of use
        self._tell(final, f"{line}: kept {final}")
        return Artefact(final, final.name)

    def _tell(self, final: Path, line: str) -> None:
        stage = f"{final.parent.name}/{final.name}"
        if self.told is None or stage not in self.told:
            self.say(line)
        if self.told is not None:
            self.told.add(stage)


def _describe(
    work: Path,
    stage: str,
    parts: Mapping[str, Any],
    lineage: Lineage,
    before: Iterable[Artefact],
    started: float,
) -> None:
    """Writes the lineage and the manifest of what was made in ``work``.

    Args:
        stage: its name and key.
        parts: what the key is the hash of.
        lineage: the events that it used itself.
        before: the artefacts that it read.
        started: when, on the clock of ``time.perf_counter``.
    """
    spent: dict[str, float] = {}
    for artefact in before:
        lineage = lineage | artefact.lineage
        spent |= artefact.manifest["spent"]
    seconds = round(time.perf_counter() - started, 3)
    np.save(work / LINEAGE, lineage.events)
    about = {
        **parts,
        "lineage": lineage.summary(),
        "seconds": seconds,
        "spent": {**spent, stage: seconds},
        "versions": library_versions(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "files": sizes(work),
    }
    write_json(work / MANIFEST, about)
