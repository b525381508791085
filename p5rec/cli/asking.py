"""How a saved model is asked: the options of several commands, over what was saved with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from p5rec.core.errors import UserError

if TYPE_CHECKING:
    from p5rec.models.checkpoint import Bundle
    from p5rec.recommend.serving import ServingConfig

Beams = Annotated[
    int | None, typer.Option(min=1, help="Code prefixes kept in the search; k at least are.")
]
Search = Annotated[
    Literal["auto", "beam", "exhaustive", "sample", "items"] | None,
    typer.Option(
        help="beam; exhaustive scores every item; auto is exhaustive where that costs little; "
        "sample draws items as often as the model finds them likely; items scores whole items "
        "at once, where the model has an item head."
    ),
]
PerPrefix = Annotated[
    int | None,
    typer.Option(min=1, help="Diversity: at most so many items with the same first code."),
]
ItemWeight = Annotated[
    float | None,
    typer.Option(min=0, help="Weight of the item head beside the codes, where there is one."),
]
LinearWeight = Annotated[
    float | None,
    typer.Option(min=0, help="Weight of the linear part, where there is one."),
]
Precision = Annotated[
    Literal["float32", "bfloat16"] | None, typer.Option(help="Of the language model.")
]
WithSeen = Annotated[
    bool | None,
    typer.Option(
        "--with-seen/--without-seen", help="Whether to list items that the user already has."
    ),
]


def asked_as(
    folder: Path, decode: dict[str, Any], **others: Any
) -> tuple[ServingConfig, list[str], list[str]]:
    """How the model in ``folder`` is asked: as it was measured, but for the options that are given.

    Args:
        decode: settings of the search; None: as saved.
        others: of :class:`~p5rec.recommend.serving.ServingConfig`; None: as saved.

    Returns:
        The settings, the names of those that options set, and what a user must know.

    Raises:
        UserError: the options do not go with what was saved.
    """
    from p5rec.recommend.serving import FILE, ServingConfig, read_serving

    saved, notes = read_serving(folder), []
    if saved is None:
        notes.append(
            f"{folder} has no {FILE}, which says how it was measured: it is asked by the defaults, "
            "and its lists may differ from a report's."
        )
    of = (saved or ServingConfig()).decode
    if (decode["search"] or of.search) == "items" and (decode["per_prefix"] or of.per_prefix):
        both = decode["search"] and decode["per_prefix"]
        got = "both" if both else f"one beside the other, with which {folder} was saved"
        raise UserError(f"expected --per-prefix or --search items, got {got}; name one")
    if saved is not None and saved.kind != "generative":
        search = [name for name, value in decode.items() if value is not None and name != "k"]
        if search:
            option = "--" + search[0].replace("_", "-")
            raise UserError(
                f"{option}: expected a model that searches for its lists, got a {saved.kind} in "
                f"{folder}, which scores every item; leave the option out"
            )
    serving, set_here = (saved or ServingConfig()).overridden(folder, decode, **others)
    return serving, set_here, notes


def check_weighed(bundle: Bundle, decode: dict[str, Any]) -> None:
    """
    Raises:
        UserError: an option weighs a part that the model does not have.
    """
    parts = {
        "item_weight": ("an item head", bundle.model.item_head),
        "linear_weight": ("a linear part", bundle.linear),
    }
    for name, (part, found) in parts.items():
        if decode[name] and found is None:
            option = "--" + name.replace("_", "-")
            raise UserError(
                f"{option}: expected a model with {part}, got one without; leave the option out"
            )
