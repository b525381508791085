"""A mapping whose values are computed on access, once each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class Lazy(Mapping[str, T]):
    """Name → value.

    Args:
        names: of the values; a mapping's keys or other names.
        compute: name → value.
    """

    def __init__(self, names: Mapping[str, Any], compute: Callable[[str], T]) -> None:
        self.names, self._compute = names, compute
        self._computed: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._computed:
            self._computed[name] = self._compute(name)
        return self._computed[name]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)
