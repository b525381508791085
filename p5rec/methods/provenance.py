"""How a model in production was made of one before it, kept in its folder.

``provenance.json`` says so in figures, ``news.json`` names what was new.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from p5rec.core.artefacts import read_json
from p5rec.core.config import Config, bind

from .registry import any_method

FILE, NEWS = "provenance.json", "news.json"
SAID = {"refit": "was refitted to all events", "update": "was updated"}


class News(Config):
    """What a model knows that the one before it did not, under external ids.

    Attributes:
        users: with events, none of which that one had seen.
        items: of the catalogue, which it could not list.
        gone: items that it could list, and that are in the catalogue no more.
    """

    users: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """In words."""
        found = [f"{len(self.users):,} new users, {len(self.items):,} new items"]
        if self.gone:
            left = f"{len(self.gone):,} items left the catalogue"
            found.append(f"{left}: the model no longer lists them, nor knows them if they return")
        return found


class Provenance(Config):
    """How a model was made of another.

    Attributes:
        made: ``refit``: what validation had chosen was fitted to all events; ``update``: training
            went on from the weights of the model before.
        at: when, UTC.
        method: the settings that the next refit or update is made by: nothing is left to choose,
            and epochs are those of a whole training.
        fitted: how each part was fitted, and for how long.
        events: the lineage, ``events_seen`` and ``digest``.
        before: that of the model it was made of.
        new_events: of the lineage, not in that one.
        gone_events: of that one, not in the log.
        new_users, new_items, gone_items: how many (:class:`News`).
        earlier: how the models before it were made, oldest first: ``made``, ``at``, ``events``.
    """

    version: Literal[1] = 1
    made: Literal["refit", "update"]
    at: str
    method: any_method()  # type: ignore[valid-type]
    fitted: dict[str, Any]
    events: dict[str, Any]
    before: dict[str, Any]
    new_events: int
    gone_events: int
    new_users: int
    new_items: int
    gone_items: int
    earlier: tuple[dict[str, Any], ...] = ()

    def facts(self) -> Mapping[str, Any]:
        """All but the settings, for a manifest."""
        return {name: value for name, value in self.dump().items() if name != "method"}

    def sentence(self, name: str) -> str:
        """Of the model ``name``, for a report."""
        return (
            f"{name} {SAID[self.made]} on {self.at[:10]}: it has seen "
            f"{self.events['events_seen']:,} events, {self.new_events:,} of them new to the model "
            "it was made of."
        )


def read_provenance(folder: Path) -> Provenance | None:
    """That of the model in ``folder``; None: it was made of no other.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / FILE
    return bind(Provenance, read_json(path), {}, path) if path.is_file() else None


def read_news(folder: Path) -> News | None:
    """Those of the model in ``folder``; None: it was made of no other.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / NEWS
    return bind(News, read_json(path), {}, path) if path.is_file() else None
