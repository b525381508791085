"""Tombstones: events that were forgotten, and that every reader of a log leaves out.

A tombstone is a salted hash of an event's user, item and second. The salt is a secret file beside
the tombstones, so neither tells who was forgotten. A log in which users have an order but no times
has no seconds; its tombstones have the file's name instead.

E events, T tombstones.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes

import numpy as np
import polars as pl

from p5rec.core.artefacts import digest
from p5rec.core.atomic import atomic_write, write_secret
from p5rec.core.errors import input_error
from p5rec.core.locks import exclusive_lock
from p5rec.core.paths import cache_home
from p5rec.core.rng import combined, id_keys

from .cells import indices
from .rawlog import RawLog

FOLDER, SALT, MARKS = "forget", "salt", "tombstones.npy"
LOCK = ".tombstones.lock"
SALT_BYTES, SECOND = 32, 1_000_000


@dataclass(frozen=True, eq=False)
class Tombstones:
    """The tombstones of one cache.

    Attributes:
        salt: the secret of the hashes.
        marks: ``(T,)`` uint64, ascending and unique.
    """

    salt: bytes
    marks: np.ndarray

    @classmethod
    def read(cls) -> Tombstones:
        """The tombstones of this user's cache; a new salt if there are none."""
        folder = forget_folder()
        salt, marks = folder / SALT, folder / MARKS
        if marks.is_file() and not salt.is_file():
            raise input_error(
                marks, f"the file {SALT} beside it", "none", "restore the folder from one copy"
            )
        known = np.load(marks, allow_pickle=False) if marks.is_file() else np.zeros(0, np.uint64)
        return cls(salt.read_bytes() if salt.is_file() else token_bytes(SALT_BYTES), known)

    def adding(self, marks: np.ndarray) -> Tombstones:
        """These tombstones and ``marks (n,)``."""
        return replace(self, marks=np.union1d(self.marks, marks))

    def write(self) -> None:
        """Replaces the tombstones of this user's cache, atomically."""
        self.write_salt()
        with atomic_write(forget_folder() / MARKS, "wb") as handle:
            np.save(handle, self.marks)

    def write_salt(self) -> None:
        """Writes the salt of a cache that has none."""
        folder = forget_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (folder / SALT).is_file():
            write_secret(folder / SALT, self.salt)

    @classmethod
    def kept(cls) -> Tombstones:
        """:meth:`read`, with a salt that all processes share from now on."""
        with changing():
            cls.read().write_salt()
            return cls.read()

    def marks_of(self, log: RawLog) -> np.ndarray:
        """``(E,)`` uint64: the tombstone that each event has, or would have."""
        events, name = log.events, log.files[0].name if log.files else ""
        moment = id_keys([name]) if log.ordinal else events["time"].to_numpy() // SECOND
        keys = combined(keys_of(events["user"]), keys_of(events["item"]), moment.view(np.uint64))
        hashes = (blake2b(key, key=self.salt, digest_size=8).digest() for key in _rows(keys))
        marks: np.ndarray = np.frombuffer(b"".join(hashes), dtype="<u8")
        return marks

    def without(self, log: RawLog) -> RawLog:
        """``log`` without the events that have a tombstone.

        Positions are counted anew, as in a log that never had these events.
        """
        if not len(self.marks) or not len(log.events):
            return log
        left = ~np.isin(self.marks_of(log), self.marks)
        if left.all():
            return log
        events = log.events.filter(pl.Series(left))
        if log.ordinal:
            position = pl.col("time").rank("dense").over("user").cast(pl.Int64) - 1
            events = events.with_columns(position.alias("time"))
        return replace(log, events=events)

    def among(self, log: RawLog) -> str:
        """A digest of the tombstones of the events in ``log``; empty if there are none."""
        if not len(self.marks):
            return ""
        found = np.intersect1d(self.marks_of(log), self.marks)
        return digest(found.tolist()) if len(found) else ""


@contextmanager
def changing() -> Iterator[None]:
    """A context in which no other process changes the tombstones or their salt."""
    folder = forget_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with exclusive_lock(folder / LOCK):
        yield


def forget_folder() -> Path:
    """The folder of the tombstones, their salt, requests and receipts."""
    return cache_home() / FOLDER


def keys_of(ids: pl.Series) -> np.ndarray:
    """``(E,)`` uint64: the key of each id."""
    distinct = ids.unique().sort()
    keys: np.ndarray = id_keys(distinct.to_list())[indices(ids, distinct)]
    return keys


def _rows(keys: np.ndarray) -> list[bytes]:
    data = keys.astype("<u8").tobytes()
    return [data[at : at + 8] for at in range(0, len(data), 8)]
