"""The provenance of a model that was refitted or updated, in its folder.

``provenance.json`` holds the numbers, ``news.json`` the new users and items.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from p5rec.core.artefacts import read_json
from p5rec.core.config import Config, bind

from .registry import any_method

FILE, NEWS = "provenance.json", "news.json"
SENTENCES = {"refit": "was refitted to all events", "update": "was updated"}


class News(Config):
    """New users and items of a model compared with its predecessor, under external ids.

    Attributes:
        users: users without an event in the predecessor's training data.
        items: items that the predecessor could not recommend.
        gone: items of the predecessor that are no longer in the catalogue.
    """

    users: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """As lines of text."""
        lines = [f"{len(self.users):,} new users, {len(self.items):,} new items"]
        if self.gone:
            removed = f"{len(self.gone):,} items left the catalogue"
            lines.append(f"{removed}: the model drops them; if they return, they are new items")
        return lines


class Provenance(Config):
    """How a model was derived from its predecessor.

    Attributes:
        operation: ``refit``: the selected settings were fitted to all events; ``update``: training
            continued from the predecessor's weights.
        at: time, UTC.
        method: the settings of the next refit or update, without anything to select; epochs are
            those of a full training.
        fitted: how each component was fitted, and for how long.
        events: the lineage, ``events_seen`` and ``digest``.
        before: the predecessor's lineage.
        new_events: events of the lineage that are not in the predecessor's.
        gone_events: events of the predecessor's lineage that are not in the log.
        new_users, new_items, gone_items: their numbers (:class:`News`).
        earlier: earlier models, oldest first: ``operation``, ``at``, ``events``.
    """

    version: Literal[1] = 1
    operation: Literal["refit", "update"]
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
        """Everything except the settings, for a manifest."""
        return {name: value for name, value in self.dump().items() if name != "method"}

    def sentence(self, name: str) -> str:
        """A sentence about the model ``name``, for a report."""
        return (
            f"{name} {SENTENCES[self.operation]} on {self.at[:10]}: it was trained on "
            f"{self.events['events_seen']:,} events, {self.new_events:,} of them new since its "
            "predecessor."
        )


def read_provenance(folder: Path) -> Provenance | None:
    """The provenance of the model in ``folder``; None: it has no predecessor.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / FILE
    return bind(Provenance, read_json(path), {}, path) if path.is_file() else None


def read_news(folder: Path) -> News | None:
    """The news of the model in ``folder``; None: it has no predecessor.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / NEWS
    return bind(News, read_json(path), {}, path) if path.is_file() else None
