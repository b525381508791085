"""The settings of KAR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from ...click.kinds import Din
from ...click.on_click_model import OnClickModel
from ...click.settings import CLICKS, ClickSettings
from ...click.vectors import vector_needs
from ...needs import Need
from ...registry import any_method


class KarSettings(OnClickModel):
    """A click model, an adaptor, and the vectors that it reads."""

    kind: Literal["kar"] = "kar"
    base: any_method() = Field(default_factory=Din, validate_default=True)  # type: ignore[valid-type]
    """The click model, a section of its own. Its grid is searched, too."""
    users: str | None = "users"
    """Vectors of texts about the users, by their name in the recipe. null: none."""
    items: str | None = "items"
    """Vectors of texts about the items, by their name in the recipe. null: none."""
    shared: int = Field(default=2, ge=0)
    """Experts that read both users and items."""
    dedicated: int = Field(default=4, ge=1)
    """Further experts for users, and for items."""
    hidden: tuple[int, ...] = Field(default=(128, 32), min_length=1)
    """Widths of an expert's layers. The last is the width of an adapted vector."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout probability in the experts."""
    stored: Literal["adapted", "texts"] = "adapted"
    """The vectors in a saved model. ``adapted``: of the adaptor, which is not saved. ``texts``: of
    the texts; they are adapted when the model is loaded. Predictions are the same.
    """

    capabilities = CLICKS
    stochastic = True
    content_based = True
    untuned = OnClickModel.untuned | {"users", "items", "stored"}

    @field_validator("base")
    @classmethod
    def _base_is_a_click_model(cls, base: Any) -> Any:
        if not isinstance(base, ClickSettings) or not base.extendable:
            raise ValueError(f"expected a click model, got the kind {base.kind}")
        if base.vectors:
            raise ValueError("expected no vectors here: name them as users and items of the kar")
        return base

    @model_validator(mode="after")
    def _reads_vectors(self) -> Self:
        if not self.names:
            raise ValueError("expected the name of vectors as users, items or both")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the vectors, those of users first."""
        return tuple(filter(None, (self.users, self.items)))

    @property
    def reader(self) -> ClickSettings:
        """The click model with the vectors as fields."""
        reader: ClickSettings = self.base.model_copy(update={"vectors": self.names})
        return reader

    def points(self) -> tuple[Self, ...]:
        """See :class:`p5rec.methods.base.Method`: the points of the click model's grid, too."""
        return tuple(
            point.model_copy(update={"base": base})
            for point in super().points()
            for base in point.base.points()
        )

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`: also the vectors."""
        return {**super().needs(seed), **vector_needs(self.names)}
