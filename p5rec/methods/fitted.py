"""A method with selected settings, and the stages that fitted it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p5rec.core.artefacts import Artefact

from .base import Method

MODEL = "model"  # the folder of a model within its stages


@dataclass(frozen=True)
class Fitted:
    """A method and its model under one seed.

    Attributes:
        name: of the method in its recipe; without a recipe its kind.
        method: the config that was fitted.
        seed: of its random draws.
        fit_stage: the stage that fitted it; without the inputs of queries.
        model_stage: the stage that assembled the complete folder.
        about: facts for a report: ``train_seconds`` (of all trials), the method's description,
            and ``configs_tried`` where settings were selected.
    """

    name: str
    method: Method
    seed: int
    fit_stage: Artefact
    model_stage: Artefact
    about: Mapping[str, Any]

    @property
    def trained(self) -> Path:
        """The folder that :meth:`~p5rec.methods.base.Method.fit` filled."""
        return self.fit_stage.path / MODEL

    @property
    def folder(self) -> Path:
        """The folder that :meth:`~p5rec.methods.base.Method.load` reads."""
        return self.model_stage.path / MODEL

    @property
    def codes(self) -> Path | None:
        """The folder of its semantic ids; None: it has none."""
        codes = self.folder / "codes"
        return codes if codes.is_dir() else None
