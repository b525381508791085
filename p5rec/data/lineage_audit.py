"""Leak 3: a stage that learned from validation or test events, read off its lineage."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Artefact
from p5rec.core.types import Corpus

from .audit import Finding
from .prepare import SUMMARY, load_corpus

# stages that answer requests: they read held-out histories, and nothing is learned in them
ANSWERING = frozenset({"recommend", "evaluate", "report"})


def audit_artefacts(root: Path) -> list[Finding]:
    """What the artefacts under ``root`` have seen of their corpus beyond its training events.

    Args:
        root: a run's folder or a store; the prepared corpus must lie under it too.
    """
    artefacts = {
        path.parent.name: Artefact(path.parent, path.parent.name)
        for path in sorted(root.rglob("manifest.json"))
        if (path.parent / "lineage.npy").is_file() and not path.parent.name.startswith(".")
    }
    corpora = {
        key: load_corpus(artefact.path)
        for key, artefact in artefacts.items()
        if (artefact.path / SUMMARY).is_file() and (artefact.path / "events").is_dir()
    }
    found: list[Finding] = []
    for key, artefact in artefacts.items():
        seen, stage = artefact.lineage.events, artefact.manifest["stage"]
        if not seen.any() or stage in ANSWERING:
            continue
        corpus = _corpus_of(key, artefacts, corpora)
        if corpus is None or len(corpus.interactions) != len(seen):
            found.append(
                Finding(
                    "warning",
                    "3 lineage",
                    f"{stage} {key} saw {seen.sum():,} events, but its corpus is not under {root}: "
                    "audit the folder that holds both",
                )
            )
            continue
        found += _held_out(stage, key, seen, corpus)
    return found


def _held_out(stage: str, key: str, seen: np.ndarray, corpus: Corpus) -> list[Finding]:
    valid = int((seen & corpus.split.mask("valid")).sum())
    test = int((seen & corpus.split.mask("test")).sum())
    if not valid + test:
        return []
    return [
        Finding(
            "leak",
            "3 lineage",
            f"{stage} {key} has seen {valid:,} validation and {test:,} test events, its inputs' "
            "included: what it learned there is in its result",
            {"valid": float(valid), "test": float(test)},
        )
    ]


def _corpus_of(
    key: str, artefacts: dict[str, Artefact], corpora: dict[str, Corpus]
) -> Corpus | None:
    """The corpus among the inputs of an artefact, and of those, down to the data stage."""
    waiting, met = [key], set()
    while waiting:
        at = waiting.pop()
        if at in corpora:
            return corpora[at]
        if at in met or at not in artefacts:
            continue
        met.add(at)
        waiting += artefacts[at].manifest["inputs"].values()
    return None
