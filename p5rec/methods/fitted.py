"""A method with its settings chosen, and what the pipeline made of it."""

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
        method: the config that was fitted.
        seed: of its draws.
        made: the stage that fitted it; what it is queried with is not beside it.
        complete: the stage that put its folder together.
        about: facts for a report: ``train_seconds`` (of all trials), what the method says of
            itself, and ``configs_tried`` where settings were chosen.
    """

    method: Method
    seed: int
    made: Artefact
    complete: Artefact
    about: Mapping[str, Any]

    @property
    def trained(self) -> Path:
        """What :meth:`~p5rec.methods.base.Method.fit` filled."""
        return self.made.path / MODEL

    @property
    def folder(self) -> Path:
        """The folder that :meth:`~p5rec.methods.base.Method.load` reads."""
        return self.complete.path / MODEL

    @property
    def codes(self) -> Path | None:
        """The folder of its semantic ids; None: it has none."""
        found = self.folder / "codes"
        return found if found.is_dir() else None
