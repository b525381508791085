"""What rating and text baselines answer beside a model, on its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from p5rec.core.artefacts import Artefact

from .ask import FamilyAnswers

RATINGS, TEXTS = "ratings.npy", "texts.json"


@dataclass(frozen=True)
class Reference:
    """A rating or text baseline on the rows that a model was asked about.

    Attributes:
        name: the baseline.
        asked: the rows.
        made: its answers: ``RATINGS`` ``(B,)`` float32 points, or ``TEXTS``, B texts; and what
            :data:`~p5rec.recommend.list_files.ABOUT` tells of making them.
        about: of its fit.
    """

    name: str
    asked: FamilyAnswers
    made: Artefact
    about: Mapping[str, Any]
