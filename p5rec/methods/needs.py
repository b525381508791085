"""The inputs of a fit or a query besides the data: artefacts that the pipeline provides."""

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
class Texts:
    """The texts of the recipe that have this name: the folder of
    :class:`~p5rec.data.stored_texts.StoredTexts`."""

    name: str


@dataclass(frozen=True)
class Vectors:
    """The vectors of the recipe that have this name: the folder of a
    :class:`~p5rec.data.vector_store.VectorStore`."""

    name: str


@dataclass(frozen=True)
class Model:
    """The model of another method.

    Attributes:
        name: of a method of the recipe, or a saved model's folder.
        hash: a folder → a hash of the files that are read.
    """

    name: str
    hash: Callable[[Path], str]


@dataclass(frozen=True)
class Component:
    """The complete folder of a component method; the n-th fit reads the component's n-th fit.

    Attributes:
        name: of the component among those of its method.
        method: its config, a :class:`~p5rec.methods.base.Method`.
    """

    name: str
    method: Any


@dataclass(frozen=True)
class DerivedArtefact:
    """The output of a separate stage.

    Attributes:
        stage: its name.
        work: ``(corpus, inputs, folder) → events seen``; fills the folder.
        code: the functions that it calls.
        settings: its settings, as plain data.
        needs: its inputs besides the data.
    """

    stage: str
    work: Callable[[Corpus, Inputs, Path], Lineage]
    code: tuple[Work, ...]
    settings: Mapping[str, Any]
    needs: Mapping[str, Need] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """A folder in the output of a separate stage.

    Attributes:
        of: the stage.
        path: of the folder in its output.
    """

    of: DerivedArtefact
    path: str


@dataclass(frozen=True)
class ContentArtefact:
    """The output of a separate stage that reads parts of other stages, and not the data.

    Its key has hashes of the files of its parts, so it stays the same where the data change and
    these files do not. Its lineage holds the events that ``work`` returns and those of ``needs``,
    but not the other events of the stages that wrote the parts.

    Attributes:
        stage: its name.
        work: ``(inputs, folder) → events seen``; fills the folder. ``inputs`` are the folders of
            parts and needs.
        code: the functions that it calls.
        settings: its settings, as plain data.
        parts: what it reads of other stages, by name.
        needs: its further inputs, by name.
    """

    stage: str
    work: Callable[[Inputs, Path], Lineage]
    code: tuple[Work, ...]
    settings: Mapping[str, Any]
    parts: Mapping[str, Part]
    needs: Mapping[str, Need] = field(default_factory=dict)

    @property
    def upstream(self) -> dict[str, Need]:
        """Everything that must exist before, by name: the stages of the parts, and the needs."""
        return {**{name: part.of for name, part in self.parts.items()}, **self.needs}


Need = Codes | Texts | Vectors | Model | Component | DerivedArtefact | ContentArtefact


def needed_names(needs: Mapping[str, Need], kind: type[Texts | Vectors], seed: int) -> set[str]:
    """The names of all ``needs`` of a kind, those of components and stages included.

    Args:
        needs: of a fit or a query.
        kind: of the needs.
        seed: of the fit.
    """
    names: set[str] = set()
    for need in needs.values():
        if isinstance(need, kind):
            names.add(need.name)
        elif isinstance(need, Component):
            names |= needed_names(need.method.needs(seed), kind, seed)
        elif isinstance(need, DerivedArtefact):
            names |= needed_names(need.needs, kind, seed)
        elif isinstance(need, ContentArtefact):
            names |= needed_names(need.upstream, kind, seed)
    return names
