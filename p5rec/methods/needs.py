"""What a method is fitted or queried with beside the data: artefacts that the pipeline makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from p5rec.core.artefacts import Lineage
from p5rec.core.code import Work
from p5rec.core.types import Corpus

Inputs = Mapping[str, Path]  # name → the folder of an artefact that a method needs


@dataclass(frozen=True)
class Codes:
    """The semantic ids of the recipe that have this name."""

    name: str


@dataclass(frozen=True)
class Model:
    """The model of another method.

    Attributes:
        name: of a method of the recipe, or a saved model's folder.
        hash: a folder → a hash of what is read there.
    """

    name: str
    hash: Callable[[Path], str]


@dataclass(frozen=True)
class Component:
    """The complete folder of a method that is fitted for this one, under a seed of its own: the
    n-th fit of this one reads the n-th fit of that.

    Attributes:
        method: its config, a :class:`~p5rec.methods.base.Method`.
    """

    method: Any


@dataclass(frozen=True)
class Made:
    """What a stage of its own makes of the data and of other artefacts.

    Attributes:
        stage: its name.
        work: ``(corpus, inputs, folder) → events seen``; fills the folder.
        code: the functions that it calls.
        settings: what steers it, as plain data.
        needs: its own inputs.
    """

    stage: str
    work: Callable[[Corpus, Inputs, Path], Lineage]
    code: tuple[Work, ...]
    settings: Mapping[str, Any]
    needs: Mapping[str, Need] = field(default_factory=dict)


Need = Codes | Model | Component | Made
