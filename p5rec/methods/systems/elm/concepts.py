"""Concepts of a space: directions along which items gain a value of an attribute.

A concept activation vector (Kim et al., ICML 2018, arXiv:1711.11279) is the normal of a linear
classifier that tells items with the value from those without it. ELM describes points on the way
along it (Tennenholtz et al. 2024, arXiv:2310.04475, section 4).

N items, B points, S steps, d width of the space.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import read_json, write_json
from p5rec.core.errors import UserError, did_you_mean, input_error
from p5rec.tasks.points import points_of
from p5rec.tasks.view import CorpusView

FEWEST = 5  # items with a value, and without it, that a classifier is fitted to
STORED = 40  # concepts of a model: those of the most common values
FILE = "concepts.json"


@dataclass(frozen=True, eq=False)
class Concept:
    """A direction of the space.

    Attributes:
        trait: the attribute value.
        direction: ``(d,)`` unit vector towards items that have it.
        spread: standard deviation of the trained items along it; the unit of a step.
    """

    trait: str
    direction: np.ndarray
    spread: float

    @classmethod
    def of(cls, view: CorpusView, trait: str) -> Concept:
        """The concept of an attribute value, from the trained items alone.

        Args:
            view: a corpus with points.
            trait: a short value of an attribute.

        Raises:
            UserError: fewer than five trained items have the value, or lack it.
        """
        points = points_of(view)
        rows = points.trained_items
        has = np.array([trait in view.facts.short_values[row] for row in rows.tolist()])
        if min(has.sum(), (~has).sum()) < FEWEST:
            known = did_you_mean(trait, [value for value, _ in common_traits(view, 100)])
            got = f"{trait!r} of {has.sum()} among {len(has)}"
            raise input_error(
                "concept", f"a value that {FEWEST} items have and {FEWEST} lack", got, known
            )
        vectors = points.items[rows].astype(np.float64)
        direction = concept_direction(vectors, has)
        return cls(trait, direction.astype(np.float32), float((vectors @ direction).std()))

    def steps(self, points: np.ndarray, amounts: np.ndarray) -> np.ndarray:
        """``(B, S, d)``: ``points (B, d)`` after steps of ``amounts (S,)`` spreads."""
        moves = amounts[:, None] * self.spread * self.direction
        return np.asarray(points[:, None] + moves[None], np.float32)


def save_concepts(view: CorpusView, folder: Path) -> None:
    """Writes the concepts of the most common attribute values into a model's folder."""
    trained = len(points_of(view).trained_items)
    traits = [t for t, n in common_traits(view, STORED) if FEWEST <= n <= trained - FEWEST]
    found = [Concept.of(view, trait) for trait in traits]
    entries = {
        each.trait: {"spread": each.spread, "direction": each.direction.tolist()} for each in found
    }
    write_json(folder / FILE, entries)


def read_concepts(folder: Path) -> dict[str, Concept]:
    """The concepts in a model's folder, by attribute value; the most common first."""
    entries = read_json(folder / FILE)
    return {
        trait: Concept(trait, np.array(each["direction"], np.float32), each["spread"])
        for trait, each in entries.items()
    }


def concept_named(concepts: Mapping[str, Concept], trait: str) -> Concept:
    """The concept of an attribute value, without regard to case.

    Raises:
        UserError: there is none.
    """
    for name, concept in concepts.items():
        if name.casefold() == trait.casefold():
            return concept
    hint = did_you_mean(trait, concepts)
    raise UserError(f"concept: expected a common attribute value, got {trait!r}; {hint}")


def concept_direction(vectors: np.ndarray, has: np.ndarray) -> np.ndarray:
    """``(d,)``: the concept activation vector of a value, of length 1.

    Args:
        vectors: ``(n, d)`` of items.
        has: ``(n,)`` bool, the items that have the value: some, and not all.
    """
    from sklearn.linear_model import LogisticRegression

    mean, scale = vectors.mean(axis=0), vectors.std() or 1.0
    classifier = LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
    classifier.fit((vectors - mean) / scale, has)
    direction: np.ndarray = classifier.coef_[0] / np.linalg.norm(classifier.coef_[0])
    return direction


def common_traits(view: CorpusView, n: int) -> list[tuple[str, int]]:
    """The ``n`` attribute values that most trained items have, with their numbers of items."""
    rows = points_of(view).trained_items.tolist()
    counts = Counter(value for row in rows for value in view.facts.short_values[row])
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:n]


def mentions(texts: list[str], trait: str) -> np.ndarray:
    """``(n,)`` bool: the texts that name a value, without regard to case."""
    return np.array([trait.casefold() in text.casefold() for text in texts])
