"""How a saved model is asked: the options of several commands, over what was saved with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from .options import ALLOW_DOWNLOAD, CONFIG, changes

if TYPE_CHECKING:
    from p5rec.methods.base import Method
    from p5rec.recommend.serving import ServingConfig


@dataclass(frozen=True, kw_only=True)
class Around:
    """What a saved model is asked about: a recipe's data, and the items that it is to know."""

    config: Annotated[
        str | None,
        typer.Option(
            help=f"{CONFIG}, whose data section gives the histories and the split; default: the "
            "run that the model lies in."
        ),
    ] = None
    overrides: Annotated[list[str] | None, changes("data.path=new.csv")] = None
    ids: Annotated[
        Path | None,
        typer.Option(help="Codes that extend the model's own to new items: `p5rec ids extend`."),
    ] = None
    allow_download: Annotated[bool, ALLOW_DOWNLOAD] = False


@dataclass(frozen=True)
class SearchOptions:
    """How a model that searches for its lists does so; None: as saved."""

    search: Annotated[
        Literal["auto", "beam", "exhaustive", "sample", "item-head"] | None,
        typer.Option(
            help="beam; exhaustive scores every item; auto is exhaustive where that costs little; "
            "sample draws items as often as the model finds them likely; items scores whole items "
            "at once, where the model has an item head."
        ),
    ] = None
    beams: Annotated[
        int | None, typer.Option(min=1, help="Code prefixes kept in the search; k at least are.")
    ] = None
    per_prefix: Annotated[
        int | None,
        typer.Option(min=1, help="Diversity: at most so many items with the same first code."),
    ] = None
    item_head_weight: Annotated[
        float | None,
        typer.Option(min=0, help="Weight of the item head beside the codes, where there is one."),
    ] = None
    precision: Annotated[
        Literal["float32", "bfloat16"] | None, typer.Option(help="Of the language model.")
    ] = None
    include_seen: Annotated[
        bool | None,
        typer.Option(
            "--include-seen/--exclude-seen", help="Whether to list items that the user already has."
        ),
    ] = None

    def settings(self, k: int | None) -> dict[str, Any]:
        """Those of the search, for lists of ``k`` items; None: as saved."""
        return {name: v for name, v in asdict(self).items() if name != "include_seen"} | {"k": k}

    @property
    def exclude_seen(self) -> bool | None:
        """Whether lists leave out what a user has."""
        return None if self.include_seen is None else not self.include_seen


class Saved(NamedTuple):
    """A fitted method and how it is queried.

    Attributes:
        method: its config, settings that options gave among it.
        serving: the protocol.
        given: names of the settings that options gave.
        notes: what a user must know.
    """

    method: Method
    serving: ServingConfig
    given: list[str]
    notes: list[str]


def saved_as(folder: Path, search: dict[str, Any], **protocol: Any) -> Saved:
    """The method in ``folder`` and how it is queried: as it was measured, but for what options say.

    Args:
        search: settings of the search; None: as saved.
        protocol: of :class:`~p5rec.recommend.serving.ServingConfig`; None: as saved.

    Raises:
        UserError: the folder holds no method, or the options do not go with it.
    """
    from p5rec.methods.folder import read_method
    from p5rec.recommend.serving import FILE, ServingConfig, read_serving

    saved, notes = read_serving(folder), []
    if saved is None:
        notes.append(
            f"{folder} has no {FILE}, which says how it was measured: it is asked by the defaults, "
            "and its lists may differ from a report's."
        )
    method = read_method(folder).overridden(folder, search)
    serving = (saved or ServingConfig()).overridden(folder, **protocol)
    given = {name for name, value in {**search, **protocol}.items() if value is not None}
    return Saved(method, serving, sorted(given), notes)
