"""What a session and its reasons need of a fitted RecLLM."""

from __future__ import annotations

from typing import Protocol

from p5rec.models.bundle import Bundle
from p5rec.tasks.dialogues.dialogue import Retriever
from p5rec.tasks.dialogues.play import Manager

from .catalogue import DialogueCatalogue
from .settings import RecllmSettings


class Talker(Protocol):
    """A fitted RecLLM: :class:`.predictor.RecllmPredictor`."""

    @property
    def method(self) -> RecllmSettings: ...

    @property
    def catalogue(self) -> DialogueCatalogue: ...

    @property
    def bundle(self) -> Bundle: ...

    @property
    def manager(self) -> Manager: ...

    @property
    def retriever(self) -> Retriever: ...
