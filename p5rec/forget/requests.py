"""Requests on disk, from the moment that they are made until their receipt is written."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex

import numpy as np

from p5rec.core.artefacts import digest, read_json, write_json
from p5rec.core.atomic import atomic_write
from p5rec.core.config import Config
from p5rec.data.tombstones import MARKS, Tombstones, changing, forget_folder

from .wanted import Named

PENDING, REQUEST, KEYS, EVENTS = "pending", "request.json", "keys.npy", "events.npy"
RECEIPTS = "receipts"


class Request(Config):
    """A request to forget events, without a name of whom.

    Attributes:
        id: random.
        requested: UTC time, ISO 8601.
        subject: a salted hash of the named users and items.
        basis: the reason that the requester gave.
        events: number of events that became tombstones.
        marks: a digest of their tombstones.
        runs: folders of the runs to compute again.
        sources: file → its number of events that are forgotten but still in it.
    """

    id: str
    requested: str
    subject: str
    basis: str
    events: int
    marks: str
    runs: tuple[str, ...]
    sources: dict[str, int]


@dataclass(frozen=True, eq=False)
class Pending:
    """A request that is not carried out yet.

    Attributes:
        request: the request.
        named: its events.
        tombstones: those of its events, with the salt of the cache.
    """

    request: Request
    named: Named
    tombstones: Tombstones

    @property
    def folder(self) -> Path:
        """The files of the request, which are deleted with it."""
        return forget_folder() / PENDING / self.request.id

    def write(self) -> None:
        """Writes the request, then its tombstones; readers leave the events out from then on.

        After a kill in between, :func:`pending` returns the request, and its tombstones can be
        written again.
        """
        named, marks = self.named, self.tombstones.marks
        for name, values in ((KEYS, named.keys), (EVENTS, named.events), (MARKS, marks)):
            with atomic_write(self.folder / name, "wb") as handle:
                np.save(handle, values)
        write_json(self.folder / REQUEST, self.request.dump())
        self.bury()

    def bury(self) -> None:
        """Adds its tombstones to those of the cache."""
        with changing():
            Tombstones.read().adding(self.tombstones.marks).write()

    def finish(self) -> None:
        """Deletes the request's files; its tombstones go beside its receipt.

        Without the first file there is no request, so a kill leaves files that nobody reads.
        """
        (self.folder / REQUEST).unlink()
        os.replace(self.folder / MARKS, marks_of(self.request.id))
        shutil.rmtree(self.folder)


def marks_of(request: str) -> Path:
    """The file with the tombstones of a request that was carried out."""
    return forget_folder() / RECEIPTS / f"{request}.npy"


def request_of(
    tombstones: Tombstones,
    named: Named,
    runs: tuple[str, ...],
    basis: str,
    sources: dict[str, int],
) -> Pending:
    """A new request.

    Args:
        tombstones: those of its events.
        named: its events.
        runs, basis, sources: of the request.
    """
    ordered = named.keys[np.lexsort(named.keys.T)].tobytes()
    now = datetime.now(UTC)
    request = Request(
        id=f"{now:%Y%m%d-%H%M%S}-{token_hex(4)}",
        requested=now.isoformat(timespec="seconds"),
        subject=blake2b(ordered, key=tombstones.salt, digest_size=16).hexdigest(),
        basis=basis,
        events=len(tombstones.marks),
        marks=digest(tombstones.marks.tolist()),
        runs=runs,
        sources=sources,
    )
    return Pending(request, named, tombstones)


def pending() -> list[Pending]:
    """The requests that are not carried out yet, oldest first."""
    salt = Tombstones.read().salt
    files = sorted((forget_folder() / PENDING).glob(f"*/{REQUEST}"))
    return [
        Pending(
            Request(**read_json(file)),
            Named(*(np.load(file.with_name(n), allow_pickle=False) for n in (KEYS, EVENTS))),
            Tombstones(salt, np.load(file.with_name(MARKS), allow_pickle=False)),
        )
        for file in files
    ]
