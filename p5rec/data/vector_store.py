"""Stored vectors of users, items or events, found by the keys of their external ids.

M entities with a vector, d the width. An entity without a vector has no row in the store, so a
store serves any catalogue that shares some of its entities.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from p5rec.core.artefacts import LINEAGE, Lineage, read_json, write_json
from p5rec.core.atomic import atomic_write
from p5rec.core.config import Config, bind
from p5rec.core.errors import UserError, input_error
from p5rec.core.rng import others

VECTORS, KEYS, ABOUT = "vectors.npy", "keys.npy", "about.json"
REDO = "copy the folder again, or compute the vectors again"

Entities = Literal["items", "users", "events"]


class AboutVectors(Config):
    """The contents of ``about.json``: what the vectors describe, and how they were computed."""

    of: Entities
    """The entities."""
    source: str
    """The texts: ``texts NAME``, ``metadata`` or ``reviews``; ``file`` or ``model`` for finished
    vectors."""
    encoder: str | None = None
    """The encoder; null for finished vectors."""
    layer: int | None = None
    """The hidden state that was averaged; null: the last."""
    max_tokens: int = 128
    """Most tokens of a text."""
    permuted: int | None = None
    """The seed under which the rows were permuted; null: they were not."""
    hashes: dict[str, str] = {}
    """Hashes of the texts and of the encoder's files, by name."""


@dataclass(frozen=True, eq=False)
class VectorStore:
    """Vectors of entities by key.

    Attributes:
        vectors: ``(M, d)`` float32, finite.
        keys: ``(M,)`` uint64, ascending and unique: the keys of the entities' external ids
            (:func:`p5rec.core.rng.id_keys`), or of events.
        about: what the vectors describe, and how they were computed.
        lineage: the events that the texts were written from.
    """

    vectors: np.ndarray
    keys: np.ndarray
    about: AboutVectors
    lineage: Lineage

    @classmethod
    def of(
        cls, keys: np.ndarray, vectors: np.ndarray, about: AboutVectors, lineage: Lineage
    ) -> VectorStore:
        """The store of ``vectors (M, d)`` of the entities ``keys (M,)``, in any order.

        Raises:
            ValueError: two vectors have the same key.
        """
        order = np.argsort(keys, kind="stable")
        if (keys[order][1:] == keys[order][:-1]).any():
            raise ValueError("expected one vector for each entity, got two with the same key")
        return cls(np.ascontiguousarray(vectors[order], np.float32), keys[order], about, lineage)

    @classmethod
    def read(cls, folder: Path) -> VectorStore:
        """The store in ``folder``, a stage's or a copy (:meth:`save`).

        Raises:
            UserError: a file is missing or damaged, or the files do not match.
        """
        about = bind(AboutVectors, read_json(folder / ABOUT), {}, folder / ABOUT)
        vectors, keys = (_array(folder / name) for name in (VECTORS, KEYS))
        fits = vectors.ndim == 2 and keys.shape == vectors.shape[:1]
        if not fits or vectors.dtype != np.float32 or keys.dtype != np.uint64:
            got = f"{vectors.dtype} {vectors.shape} and {keys.dtype} {keys.shape}"
            raise input_error(folder, "one float32 vector for each key", got, REDO)
        return cls(vectors, keys, about, Lineage.read(folder))

    def save(self, folder: Path) -> None:
        """Writes the store into ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {VECTORS: self.vectors, KEYS: self.keys, LINEAGE: self.lineage.events}
        for name, array in arrays.items():
            with atomic_write(folder / name, "wb") as handle:
                np.save(handle, array)
        write_json(folder / ABOUT, self.about.dump())

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def width(self) -> int:
        """d."""
        return int(self.vectors.shape[1])

    def find(self, keys: np.ndarray) -> np.ndarray:
        """``(n,)`` int64: the row of each of ``keys (n,)``, -1 for an entity without a vector."""
        if not len(self):
            return np.full(len(keys), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self) - 1)
        return np.where(self.keys[at] == keys, at, -1)

    def rows(self, keys: np.ndarray) -> np.ndarray:
        """``(n, d)`` float32: the vector of each of ``keys (n,)``; NaN without one.

        Raises:
            UserError: there are ``keys``, and none has a vector.
        """
        at = self.find(keys)
        if len(keys) and (at < 0).all():
            raise UserError(
                f"vectors from {self.about.source}: expected vectors of some of these {len(keys)} "
                f"{self.about.of}, got none for them among {len(self)}; take vectors of this data"
            )
        out = np.full((len(keys), self.width), np.nan, dtype=np.float32)
        out[at >= 0] = self.vectors[at[at >= 0]]
        return out

    def permuted(self, seed: int) -> VectorStore:
        """Permutation control: the vectors exchanged among the store's entities.

        The vectors, in the seeded order of their entities' keys, move one entity on. No entity
        keeps its vector, and removing an entity changes the vector of one other.

        Raises:
            UserError: there are fewer than two vectors.
        """
        if len(self) < 2:
            raise input_error(
                f"vectors from {self.about.source}", "at least two vectors to permute",
                str(len(self)), "leave permuted out",
            )  # fmt: skip
        vectors = self.vectors[others(self.keys, seed, "permute vectors")]
        about = self.about.model_copy(update={"permuted": seed})
        return replace(self, vectors=vectors, about=about)


def _array(path: Path) -> np.ndarray:
    try:
        array: np.ndarray = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise input_error(path, "stored vectors", "nothing there", REDO) from None
    except (OSError, EOFError, ValueError):
        raise input_error(path, "stored vectors", "a damaged file", REDO) from None
    return array
