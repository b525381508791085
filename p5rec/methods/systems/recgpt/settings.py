"""The settings of RecGPT: stage 1, and stage 2 with recall in two steps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from p5rec.core.types import Corpus

from ...baselines.iterative import SasrecSettings


class PretrainingSettings(SasrecSettings):
    """Stage 1."""

    kind: Literal["recgpt-pretraining"] = "recgpt-pretraining"  # type: ignore[assignment]
    user_dropout: float = Field(default=0.5, ge=0, le=1)
    """Share of the windows that are trained as those of an unknown user."""


class TuningSettings(PretrainingSettings):
    """Stage 2."""

    kind: Literal["recgpt"] = "recgpt"  # type: ignore[assignment]
    generated: int = Field(default=1, ge=1)
    """Items that follow each event: those that the model ranks first there."""
    first: int | None = Field(default=None, ge=1)
    """Items of a list that the history recalls. The others are recalled after the best
    ``generated`` of these were added to the history. null: the history recalls all.
    """
    permute_generated: bool = False
    """Control: generated items are those of other users' events, in training and in queries."""

    untuned = PretrainingSettings.untuned | {"permute_generated"}
    grid = {"first": (None, 8, 5, 3)}

    @model_validator(mode="after")
    def _adds_items_of_the_first_step(self) -> Self:
        if self.first is not None and self.first < self.generated:
            raise ValueError(f"first: expected at least generated ({self.generated})")
        return self

    @classmethod
    def grid_beside(cls, fixed: Mapping[str, Any]) -> Mapping[str, tuple[Any, ...]]:
        """See :class:`p5rec.methods.base.Method`: without first steps that are too short."""
        least = fixed.get("generated", 1)
        long = (
            n for n in cls.grid["first"] if n is None or not isinstance(least, int) or n >= least
        )
        return {**cls.grid, "first": tuple(long)}

    def check_data(self, corpus: Corpus, tasks: Collection[str]) -> Iterator[str]:
        """See :class:`p5rec.methods.base.Method`."""
        yield from super().check_data(corpus, tasks)
        if self.generated >= (count := len(corpus.catalog)):
            yield f"generated: expected fewer than the {count:,} items, got {self.generated}"

    def fit_settings(self) -> dict[str, Any]:
        """See :class:`p5rec.methods.base.Method`; ``first`` is a setting of queries."""
        return {name: value for name, value in super().fit_settings().items() if name != "first"}
