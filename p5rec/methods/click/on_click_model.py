"""Methods that are a click model with something added, in training or as fields."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from p5rec.core.types import Corpus

from ..base import Method
from ..needs import Inputs, Need


class OnClickModel(Method):
    """A method that trains a click model in a way of its own.

    Ids, files and checks are those of the click model, the setting ``base`` of a subclass.
    """

    if TYPE_CHECKING:
        base: Any

    @property
    def needs_validation(self) -> bool:
        """See :class:`..base.Method`: also that of the click model."""
        return super().needs_validation or bool(self.base.needs_validation)

    @property
    def semantic_ids(self) -> str | None:
        """See :class:`..base.Method`: those of the click model."""
        ids: str | None = self.base.semantic_ids
        return ids

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`..base.Method`: those of the click model."""
        needs: Mapping[str, Need] = self.base.needs(seed)
        return needs

    def query_needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`..base.Method`: those of the click model."""
        needs: Mapping[str, Need] = self.base.query_needs(seed)
        return needs

    def files(self, model: Path, query_inputs: Inputs, work: Path) -> dict[str, Path]:
        """See :class:`..base.Method`: those of the click model."""
        files: dict[str, Path] = self.base.files(model, query_inputs, work)
        return files

    def check(self, ids: Mapping[str, Any]) -> Iterator[str]:
        """See :class:`..base.Method`: that of the click model."""
        yield from (f"base.{line}" for line in self.base.check(ids))

    def check_data(self, corpus: Corpus, tasks: Collection[str]) -> Iterator[str]:
        """See :class:`..base.Method`: that of the click model."""
        yield from (f"base.{line}" for line in self.base.check_data(corpus, tasks))

    def as_chosen(self, model: Path) -> Self:
        """See :class:`..base.Method`: also the click model."""
        base = self.base.as_chosen(model)
        return super().as_chosen(model).model_copy(update={"base": base})

    def fit_facts(self) -> dict[str, Any]:
        """See :class:`..base.Method`: those of the click model."""
        facts: dict[str, Any] = self.base.fit_facts()
        return facts
