"""The serving settings of a saved model: options of several commands, over the saved settings."""

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
class DataOptions:
    """The data of a saved model's predictions, and codes of new items."""

    config: Annotated[
        str | None,
        typer.Option(
            help=f"{CONFIG}: its data section gives the histories and the split. Default: the "
            "config of the model's run."
        ),
    ] = None
    overrides: Annotated[list[str] | None, changes("data.path=new.csv")] = None
    ids: Annotated[
        Path | None,
        typer.Option(
            help="Codes that extend the model's own to new items, from `p5rec ids extend`."
        ),
    ] = None
    allow_download: Annotated[bool, ALLOW_DOWNLOAD] = False


@dataclass(frozen=True)
class SearchOptions:
    """The search settings of ranked lists; None: as saved."""

    search: Annotated[
        Literal["auto", "beam", "exhaustive", "sample", "item-head"] | None,
        typer.Option(
            help="How items are searched. beam: beam search over codes; exhaustive: score every "
            "item; auto: exhaustive for small catalogues, else beam; sample: sample items by their "
            "probability; item-head: rank by the item head, where the model has one."
        ),
    ] = None
    beams: Annotated[int | None, typer.Option(min=1, help="Beam width, at least k.")] = None
    per_prefix: Annotated[
        int | None,
        typer.Option(min=1, help="Diversity: maximum number of items with the same first code."),
    ] = None
    item_head_weight: Annotated[
        float | None,
        typer.Option(
            min=0, help="Weight of the item head relative to the codes, where there is one."
        ),
    ] = None
    precision: Annotated[
        Literal["float32", "bfloat16"] | None, typer.Option(help="Precision of the language model.")
    ] = None
    include_seen: Annotated[
        bool | None,
        typer.Option(
            "--include-seen/--exclude-seen",
            help="Include or exclude the items of the user's history. Default: as evaluated.",
        ),
    ] = None

    def settings(self, k: int | None) -> dict[str, Any]:
        """The search settings for lists of ``k`` items; None: as saved."""
        return {name: v for name, v in asdict(self).items() if name != "include_seen"} | {"k": k}

    @property
    def exclude_seen(self) -> bool | None:
        """Whether lists exclude seen items; None: as saved."""
        return None if self.include_seen is None else not self.include_seen


class Saved(NamedTuple):
    """A fitted method and its serving settings.

    Attributes:
        method: its config, with the settings from options.
        serving: the serving settings.
        overridden: names of the settings from options.
        notes: notes for the user.
    """

    method: Method
    serving: ServingConfig
    overridden: list[str]
    notes: list[str]


def saved_settings(folder: Path, search: dict[str, Any], **protocol: Any) -> Saved:
    """The method in ``folder`` with its serving settings, as evaluated, with options on top.

    Args:
        search: search settings; None: as saved.
        protocol: settings of :class:`~p5rec.recommend.serving.ServingConfig`; None: as saved.

    Raises:
        UserError: the folder has no fitted method, or an option does not apply to it.
    """
    from p5rec.methods.folder import read_method
    from p5rec.recommend.serving import FILE, ServingConfig, read_serving

    saved, notes = read_serving(folder), []
    if saved is None:
        notes.append(
            f"{folder} has no {FILE} with the settings of its evaluation: the defaults apply, and "
            "its lists may differ from those of a report."
        )
    method = read_method(folder).overridden(folder, search)
    serving = (saved or ServingConfig()).overridden(folder, **protocol)
    overridden = {name for name, value in {**search, **protocol}.items() if value is not None}
    return Saved(method, serving, sorted(overridden), notes)
