"""Measured methods → the report of a run, as data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from p5rec.core.artefacts import library_versions
from p5rec.core.types import SPLITS, Corpus

from .compare import comparisons
from .config import PrimaryConfig
from .measured import Measured
from .primary import primary_result
from .schema import Protocol, Report, Sample

COMMON_RULES = {
    "ties": "a seeded order of the items' ids, the same for every method",
    "selected_on": "validation",
    "code_probabilities": "over the codes that lead to an item",
}
CORRECTION = "Holm's step-down over the comparisons on one task, split and metric"


@dataclass(frozen=True)
class Rules:
    """How predictions were made, and how methods are compared.

    Attributes:
        seed: seed of the bootstrap.
        seeds: seeds of the trained methods' runs.
        pairs: the methods to compare, two by two.
        primary: the primary comparison; the others are secondary.
        exclude_seen: whether the lists leave out the items of each user's history.
        own: p5rec made the predictions, so the order of equal scores is known.
    """

    seed: int
    seeds: Sequence[int] = (0,)
    pairs: Sequence[tuple[str, str]] = ()
    exclude_seen: bool = True
    own: bool = True
    primary: PrimaryConfig | None = None


def assemble(
    corpus: Corpus,
    measured: Sequence[Measured],
    rules: Rules,
    *,
    seconds: float,
    manifest: Mapping[str, Any],
    samples: Sequence[Sample] = (),
    notes: Sequence[str] = (),
    curves: Mapping[str, str] | None = None,
) -> Report:
    """The report as a value, not yet written.

    Args:
        corpus: the data set that the methods were measured on.
        measured: every method on every task and split.
        rules: the evaluation protocol.
        seconds: see :class:`~p5rec.evaluate.schema.Report`.
        manifest, samples, notes, curves: as the report holds them.
    """
    log, split = corpus.interactions, corpus.split
    return Report(
        data={
            "users": log.n_users,
            "items": log.n_items,
            "events": len(log),
            **{f"{split_name}_events": int(split.mask(split_name).sum()) for split_name in SPLITS},
            "fingerprint": fingerprint(corpus),
        },
        protocol=Protocol(
            splits=dict.fromkeys(dict.fromkeys(m.method.task for m in measured), split.name),
            candidates=log.n_items,
            exclude_seen=rules.exclude_seen,
            seeds=list(rules.seeds),
            correction=CORRECTION if rules.pairs else "",
            **(COMMON_RULES if rules.own else {}),
        ),
        manifest={**manifest, "versions": library_versions()},
        seconds=round(seconds, 1),
        methods=[m.method for m in measured],
        primary=rules.primary and primary_result(rules.primary, measured, rules.seed),
        comparisons=comparisons(measured, rules.pairs, rules.seed, rules.primary),
        samples=list(samples),
        notes=[*notes, *_click_sets(measured), *_too_long(measured)],
        curves=dict(curves or {}),
    )


def _click_sets(measured: Sequence[Measured]) -> list[str]:
    """Notes on the people and items behind the instances of click prediction."""
    notes: dict[str, None] = {}
    for entry in measured:
        if "label" not in entry.values:
            continue
        n, users, items = entry.method.n, np.unique(entry.users), np.unique(entry.items)
        cold = {
            name: entry.slices.get(name, np.zeros(n, dtype=bool))
            for name in ("unseen-user", "unseen-item")
        }
        new_users, new_items = cold.values()
        notes[
            f"{entry.method.task} ({entry.method.split}): {n:,} instances of {len(users):,} users "
            f"and {len(items):,} items. {len(np.unique(entry.users[new_users])):,} users have no "
            f"training event ({_percent(new_users)} of the instances), nor have "
            f"{len(np.unique(entry.items[new_items])):,} items ({_percent(new_items)})."
        ] = None
    return list(notes)


def _percent(chosen: np.ndarray) -> str:
    return f"{chosen.mean():.1%}" if chosen.size else "0.0%"


def _too_long(measured: Sequence[Measured]) -> list[str]:
    """Notes about prompts that were too long for a method."""
    notes: dict[str, None] = {}
    for entry in measured:
        method = entry.method
        shortened, cut = (method.about.get(f"prompts_{how}", 0) for how in ("shortened", "cut"))
        if shortened or cut:
            notes[
                f"{method.task} ({method.split}), {method.name}: of {method.n:,} prompts "
                f"{shortened:,} exceeded the model's token limit and show a shorter history; "
                f"{cut:,} were also truncated."
            ] = None
    return list(notes)


def fingerprint(corpus: Corpus) -> str:
    """A short hash of users, items, events and split: equal where metrics can be compared."""
    log, state = corpus.interactions, blake2b(digest_size=10)
    columns = [log.users, log.items, log.times, corpus.split.of_event]
    columns += [column for column in (log.ratings, log.labels) if column is not None]
    if log.behaviours is not None:
        columns += [log.behaviours.codes, log.is_target]
    for column in columns:
        state.update(column.tobytes())
    state.update(json.dumps([list(corpus.user_ids), corpus.catalog.ids]).encode())
    return state.hexdigest()
