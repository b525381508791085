"""Leak 3: a stage that learned from validation or test events, read off its lineage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import LINEAGE, Artefact
from p5rec.core.types import Corpus
from p5rec.core.working import MANIFEST
from p5rec.data.prepare import SUMMARY, load_corpus

from .findings import Finding, shown

# inputs that may come from outside → what they are
OUTSIDE = {"file": "a file of item vectors", "start": "a model trained elsewhere"}


def artefacts_under(root: Path) -> dict[str, Artefact]:
    """The finished artefacts under ``root``, by key; folders of models within them are none."""
    found = {}
    for path in sorted(root.rglob(LINEAGE)):
        one = Artefact(path.parent, path.parent.name)
        made = (one.path / MANIFEST).is_file() and not one.key.startswith(".")
        if made and "stage" in one.manifest:
            found[one.key] = one
    return found


def behind(keys: Iterable[str], artefacts: Mapping[str, Artefact]) -> dict[str, Artefact]:
    """The artefacts ``keys`` and all that went into them, by key, as far as they are known."""
    waiting, met = list(keys), dict[str, Artefact]()
    while waiting:
        at = waiting.pop()
        if at in artefacts and at not in met:
            met[at] = artefacts[at]
            waiting += artefacts[at].manifest["inputs"].values()
    return met


def audit_artefacts(root: Path, artefacts: Mapping[str, Artefact]) -> list[Finding]:
    """What artefacts have seen of their corpus beyond its training events.

    Args:
        root: where they lie, for the message.
        artefacts: by key; their prepared corpora must be among them.
    """
    corpora = {
        key: load_corpus(artefact.path)
        for key, artefact in artefacts.items()
        if (artefact.path / SUMMARY).is_file() and (artefact.path / "events").is_dir()
    }
    found: list[Finding] = []
    for key, artefact in artefacts.items():
        lineage, stage = artefact.lineage, artefact.manifest["stage"]
        found += _unknown(stage, key, artefact.manifest["inputs"], artefacts)
        if not len(lineage.events):
            continue
        corpus = next((corpora[k] for k in behind([key], artefacts) if k in corpora), None)
        seen = np.zeros(0, dtype=bool)
        if corpus is not None:
            seen = lineage.among(corpus.interactions.event_keys)
            found += _held_out(stage, key, seen, corpus)
        if elsewhere := len(lineage.events) - int(seen.sum()):
            found.append(
                Finding(
                    "warning",
                    "3 lineage",
                    f"{stage} {key} saw {elsewhere:,} events, but their corpus is not under "
                    f"{root}: audit the folder that holds both",
                )
            )
    return found


def _unknown(
    stage: str, key: str, inputs: Mapping[str, str], artefacts: Mapping[str, Artefact]
) -> list[Finding]:
    """What was learned elsewhere went in: nobody here can tell which events it saw."""
    return [
        Finding(
            "warning",
            "3 lineage",
            f"{stage} {key} was made from {what}, and what that has seen is not known here: make "
            "sure that it learned from training events alone",
        )
        for name, what in OUTSIDE.items()
        if name in inputs and inputs[name] not in artefacts
    ]


def _held_out(stage: str, key: str, seen: np.ndarray, corpus: Corpus) -> list[Finding]:
    valid, test = (seen & corpus.split.mask("valid")), (seen & corpus.split.mask("test"))
    if not (valid | test).any():
        return []
    return [
        Finding(
            "leak",
            "3 lineage",
            f"{stage} {key} has seen {valid.sum():,} validation and {test.sum():,} test "
            "events, its inputs' included: what it learned there is in its result",
            {"valid": float(valid.sum()), "test": float(test.sum())},
            shown(corpus, np.flatnonzero(valid | test)),
        )
    ]
