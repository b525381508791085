"""The settings of GENRE's recommender."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from ...click.kinds import DinSettings
from ...click.vectors import vector_needs
from ...needs import Need


class GenreSettings(DinSettings):
    """A DIN over a user's first events and synthetic items, and the vectors that it reads."""

    kind: Literal["genre"] = "genre"
    history: int = Field(default=5, ge=1)
    """A user's first events, which are read. With ``data.profile.most`` of the same number, the
    texts about the user show the same events.
    """
    items: str = "items"
    """Vectors of texts about the items, by their name in the recipe."""
    synthetic: tuple[str, ...] = ()
    """Vectors of texts about users, each text a synthetic item of the user. Their encoder is that
    of ``items``.
    """
    profile: str | None = None
    """Vectors of texts about users: their profiles. null: none."""

    extendable = False
    untuned = DinSettings.untuned | {"items", "synthetic", "profile"}

    @model_validator(mode="after")
    def _names_its_vectors(self) -> Self:
        if self.vectors:
            raise ValueError("vectors: expected none: name them as items, synthetic and profile")
        return self

    @property
    def events_read(self) -> int:
        """See :class:`p5rec.methods.click.settings.ClickSettings`: synthetic items, too."""
        return self.history + len(self.synthetic)

    @property
    def named(self) -> tuple[str, ...]:
        """The names of the vectors that are fields of items or users."""
        return tuple(filter(None, (self.items, self.profile)))

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`: also all vectors."""
        return {**super().needs(seed), **vector_needs((*self.named, *self.synthetic))}

    @property
    def reader(self) -> Self:
        """The method with its vectors as fields."""
        return self.model_copy(update={"vectors": self.named})
