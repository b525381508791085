"""Checks of a recipe's methods against each other and the data, before anything is fitted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

from p5rec.core.errors import UserError, all_of, did_you_mean, input_error
from p5rec.core.types import Corpus
from p5rec.data.files import existing
from p5rec.ids.config import IdsConfig

from .base import Method
from .folder import is_fitted


def in_order(methods: Mapping[str, Method]) -> list[str]:
    """The methods' names, each after the method that it is initialised from.

    Raises:
        UserError: a line for each start that is neither a method nor a model's folder; or starts
            form a cycle.
    """
    order: dict[str, None] = {}

    def append(name: str, above: tuple[str, ...] = ()) -> None:
        start = methods[name].starts_from
        if name in above:
            cycle = " > ".join((*above, name))
            raise input_error(
                _start_key(name, methods[name]), "a first method", f"a cycle ({cycle})", "break it"
            )
        if start is not None and start in methods:
            append(start, (*above, name))
        elif start is not None and not is_fitted(Path(start)):
            raise input_error(
                _start_key(name, methods[name]), "a method's name or a model's folder", repr(start),
                did_you_mean(start, [other for other in methods if other != name]),
            )  # fmt: skip
        order[name] = None

    all_of(*(partial(append, name) for name in methods))
    return list(order)


def _start_key(name: str, method: Method) -> str:
    """The key of the setting that :attr:`Method.starts_from` reads."""
    keys = [key for key, value in method if value == method.starts_from]
    return f"methods.{name}.{keys[0] if keys else 'start'}"


def check_methods(methods: Mapping[str, Method], ids: Mapping[str, IdsConfig]) -> None:
    """Checks methods and ids without the data.

    Raises:
        UserError: a line for each error.
    """

    def check(name: str) -> None:
        if errors := [f"methods.{name}.{line}" for line in methods[name].check(ids)]:
            raise UserError(*errors)

    files = [config.vectors.file.path for config in ids.values() if config.vectors.file]
    all_of(
        lambda: in_order(methods),
        *(partial(check, name) for name in methods),
        *(partial(existing, file) for file in files),
    )


def check_data(methods: Mapping[str, Method], tasks: Collection[str], corpus: Corpus) -> None:
    """Checks that the data meet the requirements of methods and tasks.

    Args:
        methods: by name.
        tasks: tasks that the methods are evaluated on.
        corpus: the data.

    Raises:
        UserError: a line for each requirement that is not met, with the names of the methods.
    """
    lacking: dict[str, dict[str, None]] = {}  # requirement → names of methods, in order
    for name, method in methods.items():
        for line in method.check_data(corpus, tasks):
            lacking.setdefault(line, {})[name] = None
    if lacking:
        raise UserError(*(_sentence(line, *names) for line, names in lacking.items()))


def _sentence(line: str, first: str, *others: str) -> str:
    """The error of methods that have the same requirement."""
    also = f" (and {', '.join(others)})" if others else ""
    return f"methods.{first}{also}: {line}"
