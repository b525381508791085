"""The inputs of every stage of a run."""

from __future__ import annotations

from dataclasses import dataclass

from p5rec.core.artefacts import Artefact, Store
from p5rec.core.types import Corpus


@dataclass(frozen=True)
class Prepared:
    """The data and the cache.

    Attributes:
        corpus: the data.
        data: the stage that built the data, or a string that identifies them.
        store: the cache of stages.
    """

    corpus: Corpus
    data: Artefact | str
    store: Store
