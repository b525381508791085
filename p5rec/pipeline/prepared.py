"""What every stage of a run stands on."""

from __future__ import annotations

from dataclasses import dataclass

from p5rec.core.artefacts import Artefact, Store
from p5rec.core.types import Corpus


@dataclass(frozen=True)
class Prepared:
    """Data that methods are fitted to, and where results are cached.

    Attributes:
        corpus: the data.
        data: the stage that made it, or what tells it from others.
        store: where stages are found.
    """

    corpus: Corpus
    data: Artefact | str
    store: Store
