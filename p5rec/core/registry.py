"""Registries: names that a user may type, resolved lazily to code."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from .errors import UserError, did_you_mean


@contextmanager
def uncollected() -> Iterator[None]:
    """Disables garbage collection inside the context.

    An import of torch and transformers frees nothing, and collections take a quarter of its time.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


class Registry:
    """Maps a name to ``"package.module:attribute"``; an entry is imported on first access.

    Args:
        kind: the kind of the entries, for messages ("data source", "id scheme").
        entries: name → target.
    """

    def __init__(self, kind: str, entries: dict[str, str]) -> None:
        self.kind = kind
        self._targets = dict(entries)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._targets))

    def __contains__(self, name: object) -> bool:
        return name in self._targets

    def add(self, name: str, target: str) -> None:
        """Adds an entry, or replaces it."""
        self._targets[name] = target

    def get(self, name: str) -> Any:
        """The object behind ``name``.

        Raises:
            UserError: the name is unknown; the message contains the nearest names.
        """
        module, _, attribute = self.target(name).partition(":")
        with uncollected():
            return getattr(import_module(module), attribute)

    def deferred(self, name: str) -> Callable[..., Any]:
        """A function that imports the one behind ``name`` when it is called."""

        def call(*args: Any, **settings: Any) -> Any:
            return self.get(name)(*args, **settings)

        return call

    def target(self, name: str) -> str:
        """The target of ``name``: ``"package.module:attribute"``.

        Raises:
            UserError: the name is unknown; the message contains the nearest names.
        """
        if name not in self._targets:
            raise UserError(
                f"expected a known {self.kind}, got {name!r}; {did_you_mean(name, self._targets)}"
            )
        return self._targets[name]
