"""Leak 3: a stage that was fitted to validation or test events, according to its lineage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from p5rec.core.artefacts import LINEAGE, Artefact, Lineage
from p5rec.core.types import Corpus
from p5rec.core.working import MANIFEST
from p5rec.data.prepare import SUMMARY, load_corpus

from .findings import Finding, evidence_of
from .other_corpora import elsewhere

# inputs from outside the cache → their description
OUTSIDE = {
    "file": "a file of item vectors",
    "start": "a model trained elsewhere",
    "pretrained": "a model trained elsewhere",
}


def artefacts_under(root: Path) -> dict[str, Artefact]:
    """The finished artefacts under ``root``, by key, without the model folders inside them."""
    artefacts = {}
    for path in sorted(root.rglob(LINEAGE)):
        artefact = Artefact(path.parent, path.parent.name)
        finished = (artefact.path / MANIFEST).is_file() and not artefact.key.startswith(".")
        if finished and "stage" in artefact.manifest:
            artefacts[artefact.key] = artefact
    return artefacts


def behind(keys: Iterable[str], artefacts: Mapping[str, Artefact]) -> dict[str, Artefact]:
    """The artefacts ``keys`` and their known direct and indirect inputs, by key."""
    waiting, visited = list(keys), dict[str, Artefact]()
    while waiting:
        at = waiting.pop()
        if at in artefacts and at not in visited:
            visited[at] = artefacts[at]
            waiting += artefacts[at].manifest["inputs"].values()
    return visited


def audit_artefacts(
    root: Path, artefacts: Mapping[str, Artefact], around: Mapping[str, Artefact] | None = None
) -> list[Finding]:
    """Findings about artefacts whose lineage has held-out or unknown events.

    Args:
        root: their folder, for messages.
        artefacts: by key, with the prepared corpora among them.
        around: all artefacts of the folder: their corpora may have events that those of
            ``artefacts`` lack; None: there are no others.
    """
    corpora = _corpora(artefacts)
    others = cache(lambda: _corpora({k: a for k, a in (around or {}).items() if k not in corpora}))
    findings: list[Finding] = []
    for key, artefact in artefacts.items():
        lineage, stage = artefact.lineage, artefact.manifest["stage"]
        findings += _unknown(stage, key, artefact.manifest, artefacts)
        if not len(lineage.events):
            continue
        corpus = next((corpora[k] for k in behind([key], artefacts) if k in corpora), None)
        if corpus is None:
            corpus = _trained_on(lineage, corpora.values())
        if corpus is None:
            findings += _of_other_data(root, stage, key, 0, len(lineage.events))
            continue
        keys = corpus.interactions.event_keys
        seen, missing = lineage.contains(keys), np.setdiff1d(lineage.events, keys)
        if len(missing):
            rest = [one for one in (*corpora.values(), *others().values()) if one is not corpus]
            same, unknown = elsewhere(missing, corpus, rest)
            findings += _of_other_data(root, stage, key, int(same.sum()), unknown)
            seen |= same
        findings += _held_out(stage, key, seen, corpus)
    return findings


def _corpora(artefacts: Mapping[str, Artefact]) -> dict[str, Corpus]:
    return {
        key: load_corpus(artefact.path)
        for key, artefact in artefacts.items()
        if (artefact.path / SUMMARY).is_file() and (artefact.path / "events").is_dir()
    }


def _of_other_data(root: Path, stage: str, key: str, same: int, unknown: int) -> list[Finding]:
    """What is known of the events of a stage that its own data lacks.

    Args:
        same: number of events that its data has under other names.
        unknown: number of events that no corpus has.
    """
    findings = []
    if same:
        findings.append(
            Finding(
                "note",
                "3 lineage",
                f"{stage} {key} was made from a model that saw {same:,} events of this log in "
                "other data: both read one log",
                {"events": float(same)},
            )
        )
    if unknown:
        findings.append(
            Finding(
                "warning",
                "3 lineage",
                f"{stage} {key} has {unknown:,} events in its lineage whose corpus is not "
                f"under {root}: audit the folder that holds both",
            )
        )
    return findings


def _trained_on(lineage: Lineage, corpora: Iterable[Corpus]) -> Corpus | None:
    """The first corpus that has all events of ``lineage`` for training, for a stage that reads
    parts of others and no corpus; None: there is none."""
    for corpus in corpora:
        train = corpus.interactions.event_keys[corpus.split.mask("train")]
        if np.isin(lineage.events, train).all():
            return corpus
    return None


def _unknown(
    stage: str, key: str, manifest: Mapping[str, Any], artefacts: Mapping[str, Artefact]
) -> list[Finding]:
    """Warnings about inputs that were made elsewhere, so that their events are unknown."""
    inputs, config = manifest["inputs"], manifest["config"]
    return [
        Finding(
            "warning",
            "3 lineage",
            f"{stage} {key} was made from {what} with an unknown lineage: make sure that it was "
            "fitted to training events alone",
        )
        for name, what in OUTSIDE.items()
        if name in inputs and inputs[name] not in artefacts and not _recorded(config.get(name))
    ]


def _recorded(model: Any) -> bool:
    """Whether ``model`` is a folder that records its events, which are in the stage's lineage."""
    return isinstance(model, str) and (Path(model) / LINEAGE).is_file()


def _held_out(stage: str, key: str, seen: np.ndarray, corpus: Corpus) -> list[Finding]:
    valid, test = (seen & corpus.split.mask("valid")), (seen & corpus.split.mask("test"))
    if not (valid | test).any():
        return []
    return [
        Finding(
            "leak",
            "3 lineage",
            f"{stage} {key} has {valid.sum():,} validation and {test.sum():,} test events in its "
            "lineage, those of its inputs included: its result depends on held-out events",
            {"valid": float(valid.sum()), "test": float(test.sum())},
            evidence_of(corpus, np.flatnonzero(valid | test)),
        )
    ]
