"""What data hold beside who took what, and when: users' attributes, what else each event has.

E events, U users.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from .errors import input_error


def attribute_values(table: pa.Table, attribute: str) -> list[tuple[str, ...]]:
    """A column of ``table`` as a tuple of strings a row; empty where unknown."""
    return [_as_words(value) for value in table.column(attribute).to_pylist()]


def _as_words(value: object) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    if isinstance(value, list):
        return tuple(str(v) for v in value if v is not None and v != "")
    if isinstance(value, float) and value.is_integer():
        return (str(int(value)),)
    return (str(value),)


@dataclass(frozen=True, eq=False)
class Users:
    """The users, a row each.

    Attributes:
        table: columns ``user`` (unique external id) and any attributes (strings, numbers, or lists
            of strings), null where unknown.
    """

    table: pa.Table

    @classmethod
    def of(cls, ids: Sequence[str]) -> Users:
        """Users of whom nothing but their ids is known."""
        return cls(pa.table({"user": pa.array(list(ids), pa.string())}))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def ids(self) -> list[str]:
        """External ids, ``(U,)``."""
        ids: list[str] = self.table.column("user").to_pylist()
        return ids

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attribute columns."""
        return tuple(c for c in self.table.column_names if c != "user")

    def values(self, attribute: str) -> list[tuple[str, ...]]:
        """Values of one attribute as ``(U,)`` tuples of strings; empty where unknown."""
        return attribute_values(self.table, attribute)


@dataclass(frozen=True, eq=False)
class Categories:
    """A column of categories.

    Attributes:
        codes: ``(E,)`` int32, the place of each event's value among ``values``; -1: unknown.
        values: each once, in order.
    """

    codes: np.ndarray
    values: tuple[str, ...]

    def take(self, rows: np.ndarray) -> Categories:
        """The column at ``rows``."""
        return Categories(self.codes[rows], self.values)


Context = np.ndarray | Categories  # numbers: (E,) float32, NaN where unknown


def take_context(column: Context, rows: np.ndarray) -> Context:
    """A context column at ``rows``."""
    return column.take(rows) if isinstance(column, Categories) else column[rows]


@dataclass(frozen=True, eq=False)
class Behaviours:
    """What a user did with an item at each event: saw it, put it into a cart, bought it.

    Attributes:
        codes: ``(E,)`` int8, the place of each event's behaviour among ``names``.
        names: of the behaviours.
        targets: those that are recommended and held out; the others are history alone.
        weights: what an event of each behaviour counts for in a matrix of users and items.
    """

    codes: np.ndarray
    names: tuple[str, ...]
    targets: tuple[str, ...]
    weights: tuple[float, ...]

    @property
    def is_target(self) -> np.ndarray:
        """``(E,)`` bool: events of a target behaviour."""
        found: np.ndarray = np.isin(self.names, self.targets)[self.codes]
        return found

    @property
    def event_weights(self) -> np.ndarray:
        """``(E,)`` float64: what each event counts for."""
        found: np.ndarray = np.array(self.weights, dtype=np.float64)[self.codes]
        return found

    def take(self, rows: np.ndarray | slice) -> Behaviours:
        """The behaviours at ``rows``: numbers, a mask or a slice."""
        return replace(self, codes=self.codes[rows])

    @property
    def told_apart(self) -> tuple[str, ...]:
        """The names as a network numbers them: the first target, then the others in order."""
        usual = self.targets[0]
        return (usual, *(name for name in self.names if name != usual))

    def and_target(self) -> Behaviours:
        """The same events, and one more of a target behaviour."""
        code = self.codes.dtype.type(self.names.index(self.targets[0]))
        return replace(self, codes=np.append(self.codes, code))


def behaviour_codes(
    behaviours: Behaviours | None, known: Sequence[str], n_events: int
) -> np.ndarray:
    """``(E,)`` int64: the place of each event's behaviour among ``known``.

    Args:
        behaviours: what was done at the E events; None: each is of the first behaviour known.
        known: the names of :attr:`Behaviours.told_apart`; empty: behaviours are not told apart.
        n_events: E.

    Raises:
        UserError: an event is of a behaviour that is not known.
    """
    if behaviours is None or not known:
        return np.zeros(n_events, dtype=np.int64)
    place = {name: code for code, name in enumerate(known)}
    of_names = np.array([place.get(name, -1) for name in behaviours.names], dtype=np.int64)
    codes: np.ndarray = of_names[behaviours.codes]
    if (codes < 0).any():
        strange = behaviours.names[int(behaviours.codes[codes < 0][0])]
        raise input_error(
            "histories", f"behaviours that the model knows ({', '.join(known)})", repr(strange),
            "leave such events out, or train again",
        )  # fmt: skip
    return codes
