"""Shared arguments and options of the commands: help texts, and groups of options as dataclasses.

The argument of a command is what it works on. A command that works on a config takes it as its
argument, other commands take it by ``--config``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints

import typer

CONFIG = "A YAML file, a shipped config's name, or a run's folder"
MODEL = "A model's folder: RUN_FOLDER/models/METHOD."
ALLOW_DOWNLOAD = typer.Option(
    "--allow-download",
    help="Download the backbone that a model's folder names, if it is not on this machine.",
)


def changes(examples: str) -> Any:
    """The argument for overrides of a config, such as ``examples``."""
    return typer.Argument(metavar="KEY=VALUE", help=f"Overrides of the config: {examples}.")


def optional_config(
    config: str | None, overrides: list[str] | None
) -> tuple[str | None, list[str]]:
    """The config and the overrides of a command whose argument CONFIG is optional.

    A first word of the form KEY=VALUE is an override.
    """
    if config is not None and re.match(r"[\w.-]+=", config):
        return None, [config, *(overrides or [])]
    return config, overrides or []


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` for typer, with each field of its dataclass parameters as a separate option.

    A field's annotation holds its option, and its default is the option's default.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    options: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        if name in groups:
            options += _fields(groups[name])
        else:
            options.append(parameter.replace(annotation=hints[name], kind=Parameter.KEYWORD_ONLY))

    def run(**options: Any) -> None:
        values = {
            name: group(**{own.name: options.pop(own.name) for own in fields(group)})
            for name, group in groups.items()
        }
        command(**options, **values)

    run.__name__, run.__qualname__ = command.__name__, command.__qualname__
    run.__module__, run.__doc__ = command.__module__, command.__doc__
    run.__signature__ = Signature(options)  # type: ignore[attr-defined]
    run.__annotations__ = {option.name: option.annotation for option in options}
    return run


def _fields(group: Any) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=_default(field),
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]


def _default(field: Field[Any]) -> Any:
    return Parameter.empty if field.default is MISSING else field.default
