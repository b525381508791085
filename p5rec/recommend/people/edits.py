"""What people wrote into their profiles, one file for each user.

Facts from events are not stored: they are found again whenever a profile is read, so forgotten
events leave no trace here. A file is named by the key of its user's id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from p5rec.core.artefacts import read_json, write_json, writing
from p5rec.core.config import Config, bind
from p5rec.core.errors import did_you_mean, input_error
from p5rec.core.locks import exclusive_lock
from p5rec.core.rng import id_keys

from .folder import LOCK

PROFILES = "profiles"


class Written(Config):
    """A sentence that a person wrote.

    Attributes:
        id: ``p1``, ``p2``, ...
        text: the sentence.
        replaces: the fact that it takes the place of; null: none.
        time: when, ISO 8601 in UTC.
    """

    id: str
    text: str
    replaces: str | None = None
    time: str


class Edits(Config):
    """The changes of a person to their profile.

    Attributes:
        version: of the file format.
        user: the external id.
        written: sentences, oldest first.
        deleted: ids of facts from events that are not shown again.
        number: of sentences ever written.
    """

    version: Literal[1] = 1
    user: str
    written: tuple[Written, ...] = ()
    deleted: tuple[str, ...] = ()
    number: int = 0


@dataclass(frozen=True)
class EditStore:
    """The profiles in a folder (:func:`.folder.people_folder`).

    Attributes:
        folder: it need not exist.
    """

    folder: Path

    def read(self, user: str) -> Edits:
        """The edits of a user; none yet is no error.

        Raises:
            UserError: the file is damaged.
        """
        path = self._path(user)
        if not path.is_file():
            return Edits(user=user)
        return bind(Edits, read_json(path), {}, path)

    def add(self, user: str, text: str, replaces: str | None = None) -> str:
        """Writes a sentence into a profile; returns its id.

        Args:
            user: the external id.
            text: the sentence.
            replaces: the id of a fact that it takes the place of.
        """
        with self._changing(user) as change:
            edits = self.read(user)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            written = Written(id=f"p{edits.number + 1}", text=text, replaces=replaces, time=now)
            rest = _without(edits, replaces)
            change(
                rest.model_copy(
                    update={"written": (*rest.written, written), "number": edits.number + 1}
                )
            )
        return written.id

    def delete(self, user: str, fact: str) -> None:
        """Deletes a fact from a profile."""
        with self._changing(user) as change:
            change(_without(self.read(user), fact))

    def forget(self, keys: np.ndarray) -> int:
        """Deletes the profiles of users by their keys ``(n,)`` uint64; returns their number."""
        files = [self._file(int(key)) for key in np.unique(keys)]
        there = [file for file in files if file.is_file()]
        if there:
            with exclusive_lock(self.folder / LOCK):
                for file in there:
                    file.unlink(missing_ok=True)
        return len(there)

    @contextmanager
    def _changing(self, user: str) -> Iterator[Callable[[Edits], None]]:
        with writing(self.folder), exclusive_lock(self.folder / LOCK):
            yield lambda edits: write_json(self._path(user), edits.dump())

    def _path(self, user: str) -> Path:
        return self._file(int(id_keys([user])[0]))

    def _file(self, key: int) -> Path:
        return self.folder / PROFILES / f"{key:016x}.json"


def check_fact(fact: str, known: list[str]) -> None:
    """Checks that a profile has a fact.

    Raises:
        UserError: it does not.
    """
    if fact not in known:
        raise input_error(
            "fact", "the id of a fact of this profile", repr(fact), did_you_mean(fact, known)
        )


def _without(edits: Edits, fact: str | None) -> Edits:
    """The edits without a sentence, or with a fact from events among the deleted ones."""
    if fact is None:
        return edits
    rest = tuple(written for written in edits.written if written.id != fact)
    if len(rest) < len(edits.written):
        return edits.model_copy(update={"written": rest})
    deleted = tuple(dict.fromkeys((*edits.deleted, fact)))
    return edits.model_copy(update={"deleted": deleted})
