"""Reading the files of a config, without the events that were forgotten."""

from __future__ import annotations

from dataclasses import replace

from p5rec.core.artefacts import digest

from .config import DataConfig
from .rawlog import RawLog, Source
from .registry import SOURCES
from .tombstones import Tombstones


def read_log(config: DataConfig) -> RawLog:
    """The files of ``config``, without forgotten events.

    Raises:
        UserError: an input is missing or broken.
    """
    source: Source = SOURCES.get(config.source)
    log = source.read(config)
    if config.parts:  # each part was read without its forgotten events
        return log
    remaining = Tombstones.read().without(log)
    if remaining is log or "items" in source.files(config):
        return remaining
    known = remaining.events["item"].unique()  # the item table has the items of the events
    return replace(remaining, items=log.items.filter(log.items["item"].is_in(known.implode())))


def whole_logs(config: DataConfig) -> dict[str, RawLog]:
    """The log of each part as it is in its files, by name; one log without parts has the name "".

    Raises:
        UserError: an input is missing or broken.
    """
    return {name: SOURCES.get(own.source).read(own) for name, own in config.leaves.items()}


def forgotten_in(config: DataConfig) -> str:
    """A digest of the tombstones of events in the files of ``config``; empty if there are none."""
    tombstones = Tombstones.read()
    if not len(tombstones.marks):
        return ""
    found = {name: tombstones.among(log) for name, log in whole_logs(config).items()}
    return digest(found) if any(found.values()) else ""
