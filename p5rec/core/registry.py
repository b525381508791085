"""Names a user may type, resolved lazily to code."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from .errors import UserError, did_you_mean


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection inside: of torch and transformers nothing that an import makes goes,
    and looking through it again and again takes a quarter of the time to import them."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


class Registry:
    """Maps a name to ``"package.module:attribute"``; nothing is imported until it is asked for.

    Args:
        kind: what the names are, for messages ("data source", "id scheme").
        entries: name → target.
    """

    def __init__(self, kind: str, entries: dict[str, str]) -> None:
        self.kind = kind
        self._targets = dict(entries)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._targets))

    def __contains__(self, name: object) -> bool:
        return name in self._targets

    def get(self, name: str) -> Any:
        """The object behind ``name``.

        Raises:
            UserError: no such name; the message holds the nearest ones.
        """
        module, _, attribute = self.target(name).partition(":")
        with uncollected():
            return getattr(import_module(module), attribute)

    def target(self, name: str) -> str:
        """Where the object behind ``name`` is: ``"package.module:attribute"``.

        Raises:
            UserError: no such name; the message holds the nearest ones.
        """
        if name not in self._targets:
            raise UserError(
                f"expected a known {self.kind}, got {name!r}; {did_you_mean(name, self._targets)}"
            )
        return self._targets[name]
