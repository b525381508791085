"""What a recipe's methods ask of each other and of the data, checked before anything is fitted."""

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
    """The methods' names, each after the one that it starts from.

    Raises:
        UserError: a start is neither a method nor a model's folder; or starts go round in a circle.
    """
    order: dict[str, None] = {}

    def place(name: str, above: tuple[str, ...] = ()) -> None:
        start = methods[name].starts_from
        if name in above:
            circle = " > ".join((*above, name))
            raise input_error(
                f"methods.{name}.start", "a first method", f"a circle ({circle})", "cut it"
            )
        if start is not None and start in methods:
            place(start, (*above, name))
        elif start is not None and not is_fitted(Path(start)):
            raise input_error(
                f"methods.{name}.start", "a method's name or a model's folder", repr(start),
                did_you_mean(start, [other for other in methods if other != name]),
            )  # fmt: skip
        order[name] = None

    for name in methods:
        place(name)
    return list(order)


def check_methods(methods: Mapping[str, Method], ids: Mapping[str, IdsConfig]) -> None:
    """What is wrong with methods and ids and is seen without the data.

    Raises:
        UserError: a line for each fault.
    """

    def check(name: str) -> None:
        try:
            methods[name].check(ids)
        except UserError as error:
            raise UserError(*(f"methods.{name}: {line}" for line in error.lines)) from None

    files = [config.vectors.file.path for config in ids.values() if config.vectors.file]
    all_of(
        lambda: in_order(methods),
        *(partial(check, name) for name in methods),
        *(partial(existing, file) for file in files),
    )


def check_data(methods: Mapping[str, Method], asked: Collection[str], corpus: Corpus) -> None:
    """Refuses what the data cannot offer, before anything is fitted.

    Args:
        methods: by name.
        asked: tasks that are asked about the test part.

    Raises:
        UserError: a line for each method and task that lacks something.
    """
    faults = [
        f"methods.{name}: {line}"
        for name, method in methods.items()
        for line in method.check_data(corpus, asked)
    ]
    if faults:
        raise UserError(*dict.fromkeys(faults))
