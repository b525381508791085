"""RecLLM's fit: trains the language model on steps of dialogues with simulated users."""

from __future__ import annotations

from pathlib import Path

from p5rec.core.artefacts import Lineage
from p5rec.core.launch import rank
from p5rec.core.types import Corpus
from p5rec.ids.plain import unnamed
from p5rec.tasks.view import unnamed_view
from p5rec.train.training import train

from .catalogue import DialogueCatalogue
from .settings import RecllmSettings


def fit(method: RecllmSettings, corpus: Corpus, folder: Path, seed: int) -> Lineage:
    """Trains ``method``, saves the model into ``folder`` and returns the training events."""
    codes = unnamed(len(corpus.catalog), seed)
    lineage = train(method.learner(seed), corpus, codes, folder)
    if rank() == 0:
        DialogueCatalogue.save(unnamed_view(corpus), folder)
    return lineage
