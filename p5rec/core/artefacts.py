"""The store: every stage's result under the hash of what made it, with its manifest and lineage.

A stage runs in a working folder and becomes visible by one rename, so a half-made artefact is
never seen. The key is the hash of the stage's name, its config, the keys of its inputs and the
code it runs, so a second run finds what the first one made and does nothing.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b, sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from .errors import Refused, UserError, disk_full, fault
from .launch import rank
from .paths import PACKAGE

SOURCES = {".py", ".html", ".css", ".js"}
LIBRARIES = ("numpy", "polars", "torch", "transformers", "peft", "trl", "accelerate", "datasets")
REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[Any]:
    """A file handle whose contents appear at ``path`` whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, mode, encoding=None if "b" in mode else "utf-8") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


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
        if not full and not isinstance(error, OSError):
            raise
        reason = "a full disk" if full else getattr(error, "strerror", None) or str(error)
        raise Refused(place, reason) from error


def lay_out(sources: Mapping[str, Path], out: Path) -> None:
    """Copies files and folders into ``out``: all of them, or none if the disk refuses one.

    Args:
        sources: place under ``out`` → what to copy there; an older file or folder at that place is
            replaced, everything else in ``out`` stays.
        out: a folder, made if it is not there.

    Raises:
        UserError: the disk is full, or does not let us write there.
    """
    new, work = not out.exists(), out / f".copying-{os.getpid()}"
    with writing(out):
        try:
            for place, source in sources.items():
                (work / place).parent.mkdir(parents=True, exist_ok=True)
                if source.is_dir():
                    shutil.copytree(source, work / place)
                else:
                    shutil.copy2(source, work / place)
            for place in sources:
                (out / place).parent.mkdir(parents=True, exist_ok=True)
                if (out / place).is_dir():
                    shutil.rmtree(out / place)
                os.replace(work / place, out / place)
            new = False
        finally:
            shutil.rmtree(out if new else work, ignore_errors=True)


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


@cache
def code_digest(*packages: str) -> str:
    """A short hash of the source of ``p5rec.<package>``, its pages' included, for each named."""
    state = blake2b(digest_size=8)
    for package in packages:
        for path in sorted(p for p in (PACKAGE / package).rglob("*") if p.suffix in SOURCES):
            state.update(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes())
    return state.hexdigest()


def library_versions() -> dict[str, str]:
    """Versions of the libraries a result depends on."""
    found = {}
    for name in ("p5rec", *LIBRARIES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


@dataclass(frozen=True, eq=False)
class Lineage:
    """Which events of a corpus an artefact has seen.

    Attributes:
        events: ``(E,)`` bool over the prepared events, or ``(0,)`` where none were used.
    """

    events: np.ndarray

    @classmethod
    def none(cls) -> Lineage:
        """Nothing seen."""
        return cls(np.zeros(0, dtype=bool))

    def __or__(self, other: Lineage) -> Lineage:
        if not len(self.events):
            return other
        return Lineage(self.events | other.events) if len(other.events) else self

    def summary(self) -> dict[str, Any]:
        """Counts and a digest, for the manifest."""
        packed = np.packbits(self.events).tobytes()
        return {
            "events_seen": int(self.events.sum()),
            "events": len(self.events),
            "digest": sha256(packed).hexdigest()[:20],
        }


@dataclass(frozen=True)
class Artefact:
    """A finished stage: its folder, its key, and whether it was found or made just now."""

    path: Path
    key: str
    fresh: bool = False

    @property
    def manifest(self) -> dict[str, Any]:
        """What made it: stage, config, inputs, versions, seconds, lineage, counts."""
        value: dict[str, Any] = read_json(self.path / "manifest.json")
        return value

    @property
    def lineage(self) -> Lineage:
        """Which events it has seen, its inputs' included."""
        packed = np.load(self.path / "lineage.npy", allow_pickle=False)
        count = self.manifest["lineage"]["events"]
        return Lineage(np.unpackbits(packed, count=count).astype(bool))


Make = Callable[[Path], Lineage]


@dataclass(frozen=True)
class Store:
    """Artefacts under one folder, found by content.

    Attributes:
        root: the folder.
        say: told one line a stage, "made" or "kept".
        rank: this process's number among those launched together; number 0 makes the artefacts
            and the others wait for them.
    """

    root: Path
    say: Callable[[str], None] = print
    rank: int = field(default_factory=rank)

    def stage(
        self,
        name: str,
        make: Make,
        *,
        config: Mapping[str, Any],
        code: tuple[str, ...],
        inputs: Mapping[str, Artefact | str] | None = None,
        resumable: bool = False,
        collective: bool = False,
    ) -> Artefact:
        """The artefact of a stage, made now unless it is there.

        Args:
            name: the stage, a word; also the folder under ``root``.
            make: fills the folder it is given and returns the events it used itself.
            config: everything that steers it, seeds included, as plain data.
            code: packages of p5rec whose source the result depends on.
            inputs: artefacts (or content hashes of files) it reads.
            resumable: keep the working folder when interrupted, so that ``make`` can go on from it.
            collective: every process runs ``make`` (training) on the working folder, so it must
                be resumable as well.

        Raises:
            UserError: the disk is full or the folder cannot be written.
        """
        inputs = dict(inputs or {})
        parts = {
            "stage": name,
            "config": config,
            "code": code_digest(*code),
            "inputs": {k: v.key if isinstance(v, Artefact) else v for k, v in inputs.items()},
        }
        key = digest(parts)
        final = self.root / name / key
        if (final / "manifest.json").is_file():
            if not self.rank:
                self.say(f"{name}: kept {final}")
            return Artefact(final, key)
        work = self.root / name / f".{key}.work"
        if self.rank:
            if collective:
                _wait_for(work)
                make(work)
            _wait_for(final / "manifest.json")
            return Artefact(final, key, fresh=True)
        if not resumable:  # a second run at the same time must not meet in one folder
            work = work.with_name(f".{key}.{os.getpid()}.work")
        started = time.perf_counter()
        finished = False
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            with self._alone(name, work) if resumable else nullcontext():
                if (final / "manifest.json").is_file():  # made by the run that had the folder
                    return Artefact(final, key)
                work.mkdir(exist_ok=True)
                lineage = make(work)
                for value in inputs.values():
                    if isinstance(value, Artefact):
                        lineage = lineage | value.lineage
                np.save(work / "lineage.npy", np.packbits(lineage.events))
                about = {
                    **parts,
                    "lineage": lineage.summary(),
                    "seconds": round(time.perf_counter() - started, 3),
                    "versions": library_versions(),
                }
                write_json(work / "manifest.json", about)
                _publish(work, final)
            finished = True
        except Exception as error:
            reason = _unwritable(error, self.root)
            if reason is None:
                raise
            raise UserError(
                f"{name}: expected to write under {self.root}, got {reason}; "
                "free some space or set P5REC_HOME to another disk, then run again"
            ) from error
        finally:
            if not finished and not resumable:
                shutil.rmtree(work, ignore_errors=True)
        self.say(f"{name}: made {final} in {time.perf_counter() - started:.1f} s")
        return Artefact(final, key, fresh=True)

    @contextmanager
    def _alone(self, name: str, work: Path) -> Iterator[None]:
        """Keeps other runs out of a working folder; a run that dies lets go of it."""
        lock = FileLock(work.with_suffix(".lock"))
        try:
            lock.acquire(blocking=False)
        except Timeout:
            self.say(f"{name}: another run is making it; waiting")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


def _publish(work: Path, final: Path) -> None:
    """Renames ``work`` to ``final``, or drops it where another run was faster."""
    if final.exists() and not (final / "manifest.json").is_file():
        shutil.rmtree(final)
    try:
        os.replace(work, final)
    except OSError:
        if not (final / "manifest.json").is_file():
            raise
        shutil.rmtree(work)


def _unwritable(error: Exception, root: Path) -> str | None:
    """Why the disk refused a write under ``root``, None where ``error`` says something else."""
    if isinstance(error, UserError):
        return error.reason if isinstance(error, Refused) else None
    if isinstance(error, OSError) and error.errno in REFUSED:
        inside = root in Path(str(error.filename)).parents
        return error.strerror if inside else None
    return "a full disk" if disk_full(error, root if root.exists() else None) else None


def _wait_for(path: Path) -> None:
    """Returns when another process has made ``path``; launchers end us if that process dies."""
    while not path.exists():
        time.sleep(0.2)
