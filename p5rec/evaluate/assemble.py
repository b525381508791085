"""Measured methods → the report of a run, as data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from p5rec.core.artefacts import library_versions
from p5rec.core.types import SPLITS, Corpus

from .compare import comparisons
from .measured import Measured
from .schema import Protocol, Report, Sample

OUR_RULES = {
    "ties": "a seeded order of the items' ids, the same for every method",
    "chosen_on": "validation",
    "code_probabilities": "over the codes that lead to an item",
}
CORRECTION = "Holm's step-down over the comparisons on one task, part and metric"


@dataclass(frozen=True)
class Rules:
    """How answers were made, and how methods are compared.

    Attributes:
        seed: of the bootstrap.
        seeds: of the trained methods' runs.
        pairs: methods that are compared.
        exclude_seen: whether the lists leave out the items of each user's history.
        ours: the answers were made here, so that what put them in order is known.
    """

    seed: int
    seeds: Sequence[int] = (0,)
    pairs: Sequence[tuple[str, str]] = ()
    exclude_seen: bool = True
    ours: bool = True


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
    """The report, before it is written.

    Args:
        corpus: what was measured on.
        measured: every method on every task and part.
        rules: those of the measuring.
        seconds: wall clock of all of it.
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
            **(OUR_RULES if rules.ours else {}),
        ),
        manifest={**manifest, "versions": library_versions()},
        seconds=round(seconds, 1),
        methods=[m.method for m in measured],
        comparisons=comparisons(measured, rules.pairs, rules.seed),
        samples=list(samples),
        notes=[*notes, *_too_long(measured)],
        curves=dict(curves or {}),
    )


def _too_long(measured: Sequence[Measured]) -> list[str]:
    """Which questions a method could not be asked as they stand."""
    told: dict[str, None] = {}
    for entry in measured:
        method = entry.method
        shortened, cut = (method.about.get(f"prompts_{how}", 0) for how in ("shortened", "cut"))
        if shortened or cut:
            told[
                f"{method.task} ({method.split}), {method.name}: of {method.n:,} prompts "
                f"{shortened:,} were longer than the model reads and show a shorter history; "
                f"{cut:,} lost words all the same."
            ] = None
    return list(told)


def fingerprint(corpus: Corpus) -> str:
    """A short hash of users, items, events and their parts: equal where figures can be compared."""
    log, state = corpus.interactions, blake2b(digest_size=10)
    columns = [log.users, log.items, log.times, corpus.split.of_event]
    columns += [column for column in (log.ratings, log.labels) if column is not None]
    if log.behaviours is not None:
        columns += [log.behaviours.codes, log.is_target]
    for column in columns:
        state.update(column.tobytes())
    state.update(json.dumps([list(corpus.user_ids), corpus.catalog.ids]).encode())
    return state.hexdigest()
