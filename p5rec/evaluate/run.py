"""Kept answers → the report of a run."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from p5rec.core.artefacts import library_versions
from p5rec.core.types import PARTS, Corpus, RankedLists
from p5rec.data.split import cases
from p5rec.metrics.together import resamples_for

from . import measure
from .compare import adjusted, compare
from .measure import Measured
from .schema import Comparison, Part, Protocol, Report, Sample

# what pairs are compared in, where they have the first; else it is the first that they have
COMPARED = (("HR@10", "NDCG@10"), ("BLEU-4", "ROUGE-L"))
OUR_RULES = {
    "ties": "a seeded order of the items' ids, the same for every method",
    "chosen_on": "validation",
    "code_probabilities": "over the codes that lead to an item",
}
CORRECTION = "Holm's step-down over the comparisons on one task, part and metric"


def measure_lists(
    name: str,
    lists: RankedLists,
    corpus: Corpus,
    about: Mapping[str, Any],
    seed: int,
    part: Part = "test",
    cannot: Collection[str] = (),
) -> Measured:
    """A method's lists against what the users did in ``part``."""
    histories, targets, events = cases(corpus.interactions, corpus.split, part)
    if not np.array_equal(histories.users, lists.users):
        raise ValueError(f"{name}: lists for other users than the {part} part has")
    facts = {k: v for k, v in about.items() if not k.endswith("_seconds")}
    return measure.ranking(
        name,
        lists,
        targets,
        corpus,
        cannot=cannot,
        events=events,
        split=part,
        seed=seed,
        train_seconds=about.get("train_seconds", 0.0),
        infer_seconds=about.get("infer_seconds", 0.0),
        about=facts,
    )


def comparisons(
    measured: Sequence[Measured], pairs: Sequence[tuple[str, str]], seed: int
) -> list[Comparison]:
    """Every pair on every task and metric that both methods have."""
    found: list[Comparison] = []
    resamples = resamples_for(len(pairs))
    for first, second in pairs:
        for a in measured:
            for b in measured:
                if (a.method.name, b.method.name) != (first, second):
                    continue
                ours, theirs = a.method, b.method
                same = (ours.task, ours.split) == (theirs.task, theirs.split)
                if not same or not np.array_equal(a.users, b.users):
                    continue
                names = tuple(ours.metrics)
                wanted = next((m for m in COMPARED if m[0] in names), names[:1])
                shared = [metric for metric in wanted if metric in theirs.metrics]
                found += [compare(a, b, metric, seed, resamples) for metric in shared]
    return adjusted(found)


def assemble(
    corpus: Corpus,
    measured: Sequence[Measured],
    *,
    seconds: float,
    seed: int,
    seeds: Sequence[int] = (0,),
    manifest: Mapping[str, Any],
    pairs: Sequence[tuple[str, str]] = (),
    samples: Sequence[Sample] = (),
    notes: Sequence[str] = (),
    curves: Mapping[str, str] | None = None,
    pictures: Mapping[str, str] | None = None,
    exclude_seen: bool = True,
    ours: bool = True,
) -> Report:
    """The report, before it is written.

    Args:
        seed: of the bootstrap.
        seeds: of the trained methods' runs.
        exclude_seen: whether the lists leave out the items of each user's history.
        ours: the answers were made here, so that their rules are known.
    """
    log, split = corpus.interactions, corpus.split
    return Report(
        data={
            "users": log.n_users,
            "items": log.n_items,
            "events": len(log),
            **{f"{part}_events": int(split.mask(part).sum()) for part in PARTS},
            "fingerprint": fingerprint(corpus),
        },
        protocol=Protocol(
            splits=dict.fromkeys(dict.fromkeys(m.method.task for m in measured), split.name),
            candidates=log.n_items,
            exclude_seen=exclude_seen,
            seeds=list(seeds),
            correction=CORRECTION if pairs else "",
            **(OUR_RULES if ours else {}),
        ),
        manifest={**manifest, "versions": library_versions()},
        seconds=round(seconds, 1),
        methods=[m.method for m in measured],
        comparisons=comparisons(measured, pairs, seed),
        samples=list(samples),
        notes=[*notes, *_too_long(measured)],
        curves=dict(curves or {}),
        pictures=dict(pictures or {}),
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
    columns = [log.users, log.items, log.times, corpus.split.parts]
    for column in columns if log.ratings is None else [*columns, log.ratings]:
        state.update(column.tobytes())
    state.update(json.dumps([list(corpus.user_ids), corpus.catalog.ids]).encode())
    return state.hexdigest()
