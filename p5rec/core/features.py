"""Side information of users and events: user attributes, context columns, behaviours.

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
    """A column of ``table`` with one tuple of strings per row; empty where unknown."""
    return [_as_strings(value) for value in table.column(attribute).to_pylist()]


def _as_strings(value: object) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    if isinstance(value, list):
        return tuple(str(v) for v in value if v is not None and v != "")
    if isinstance(value, float) and value.is_integer():
        return (str(int(value)),)
    return (str(value),)


@dataclass(frozen=True, eq=False)
class Users:
    """The user table, one row per user.

    Attributes:
        table: columns ``user`` (unique external id) and any attributes (strings, numbers, or lists
            of strings), null where unknown.
    """

    table: pa.Table

    @classmethod
    def of(cls, ids: Sequence[str]) -> Users:
        """Users without attributes."""
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
    """A categorical column.

    Attributes:
        codes: ``(E,)`` int32, the index of each event's value in ``values``; -1 if unknown.
        values: the distinct values, in order.
    """

    codes: np.ndarray
    values: tuple[str, ...]

    def take(self, events: np.ndarray) -> Categories:
        """The column of ``events``."""
        return Categories(self.codes[events], self.values)


Context = np.ndarray | Categories  # numbers: (E,) float32, NaN where unknown


def take_context(column: Context, events: np.ndarray) -> Context:
    """The context column of ``events``."""
    return column.take(events) if isinstance(column, Categories) else column[events]


@dataclass(frozen=True, eq=False)
class Behaviours:
    """The behaviour of each event, such as view, cart or purchase.

    Attributes:
        codes: ``(E,)`` int8, the index of each event's behaviour in ``names``.
        names: the names of the behaviours.
        targets: the behaviours to recommend and hold out; the others only appear in histories.
        weights: the weight of an event of each behaviour in a user-item matrix.
    """

    codes: np.ndarray
    names: tuple[str, ...]
    targets: tuple[str, ...]
    weights: tuple[float, ...]

    @property
    def is_target(self) -> np.ndarray:
        """``(E,)`` bool: events of a target behaviour."""
        mask: np.ndarray = np.isin(self.names, self.targets)[self.codes]
        return mask

    @property
    def event_weights(self) -> np.ndarray:
        """``(E,)`` float64: the weight of each event."""
        weights: np.ndarray = np.array(self.weights, dtype=np.float64)[self.codes]
        return weights

    def take(self, events: np.ndarray | slice) -> Behaviours:
        """The behaviours of ``events``: indices, a mask or a slice."""
        return replace(self, codes=self.codes[events])

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The names in the order of a network's embeddings: the first target, then the others."""
        first = self.targets[0]
        return (first, *(name for name in self.names if name != first))

    def with_target(self) -> Behaviours:
        """The same events, followed by one more event of a target behaviour."""
        code = self.codes.dtype.type(self.names.index(self.targets[0]))
        return replace(self, codes=np.append(self.codes, code))


def behaviour_codes(
    behaviours: Behaviours | None, known: Sequence[str], n_events: int
) -> np.ndarray:
    """``(E,)`` int64: the index of each event's behaviour in ``known``.

    Args:
        behaviours: the behaviours of the E events; None gives each event the first known one.
        known: the names of :attr:`Behaviours.vocabulary`; empty if the model ignores behaviours.
        n_events: E.

    Raises:
        UserError: an event has an unknown behaviour.
    """
    if behaviours is None or not known:
        return np.zeros(n_events, dtype=np.int64)
    index = {name: code for code, name in enumerate(known)}
    by_name = np.array([index.get(name, -1) for name in behaviours.names], dtype=np.int64)
    codes: np.ndarray = by_name[behaviours.codes]
    if (codes < 0).any():
        unknown = behaviours.names[int(behaviours.codes[codes < 0][0])]
        raise input_error(
            "histories", f"behaviours that the model knows ({', '.join(known)})", repr(unknown),
            "remove these events, or train again",
        )  # fmt: skip
    return codes
