"""Kept answers → the report of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from p5rec.core.artefacts import library_versions
from p5rec.core.types import PARTS, Corpus, RankedLists
from p5rec.data.split import cases

from . import measure
from .compare import compare
from .measure import Measured
from .schema import Comparison, Part, Protocol, Report, Sample

# what pairs are compared in, where they have the first; else it is the first that they have
COMPARED = (("HR@10", "NDCG@10"), ("BLEU-4", "ROUGE-L"))
OUR_RULES = {
    "ties": "a seeded permutation of the items, the same for every method",
    "chosen_on": "validation",
    "code_probabilities": "over the codes that lead to an item",
}


def measure_lists(
    name: str,
    lists: RankedLists,
    corpus: Corpus,
    about: Mapping[str, Any],
    seed: int,
    part: Part = "test",
) -> Measured:
    """A method's lists against what the users did in ``part``."""
    histories, targets, _ = cases(corpus.interactions, corpus.split, part)
    if not np.array_equal(histories.users, lists.users):
        raise ValueError(f"{name}: lists for other users than the {part} part has")
    facts = {k: v for k, v in about.items() if not k.endswith("_seconds")}
    return measure.ranking(
        name,
        lists,
        targets,
        corpus,
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
    found = []
    for first, second in pairs:
        for a in measured:
            for b in measured:
                if (a.method.name, b.method.name) != (first, second):
                    continue
                ours, theirs = a.method, b.method
                same = (ours.task, ours.split) == (theirs.task, theirs.split)
                if not same or not np.array_equal(a.users, b.users):
                    continue
                names = tuple(a.method.metrics)
                wanted = next((m for m in COMPARED if m[0] in names), names[:1])
                found += [compare(a, b, m, seed) for m in wanted if m in b.method.metrics]
    return found


def list_samples(
    name: str, lists: RankedLists, corpus: Corpus, n: int, part: Part = "test"
) -> list[Sample]:
    """The first ``n`` lists beside the users' latest titles and what came next."""
    histories, targets, _ = cases(corpus.interactions, corpus.split, part)
    titles, latest = corpus.catalog.titles, histories.tail(3)
    return [
        Sample(
            kind="ranked list",
            method=name,
            asked={
                "user": corpus.user_ids[lists.users[row]],
                "latest": "; ".join(titles[i] for i in latest[row]),
            },
            answer=[titles[i] for i in lists.items[row][:5] if i >= 0],
            expected=titles[targets[row]],
        )
        for row in range(min(n, len(lists.users)))
    ]


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
        },
        protocol=Protocol(
            splits=dict.fromkeys(dict.fromkeys(m.method.task for m in measured), split.name),
            candidates=log.n_items,
            exclude_seen=exclude_seen,
            seeds=list(seeds),
            **(OUR_RULES if ours else {}),
        ),
        manifest={**manifest, "versions": library_versions()},
        seconds=round(seconds, 1),
        methods=[m.method for m in measured],
        comparisons=comparisons(measured, pairs, seed),
        samples=list(samples),
        notes=list(notes),
        curves=dict(curves or {}),
        pictures=dict(pictures or {}),
    )
