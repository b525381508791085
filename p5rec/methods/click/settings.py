"""The settings that click models share."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from p5rec.core.errors import did_you_mean
from p5rec.core.types import Corpus

from ..base import LISTS, Method
from ..needs import Need
from .item_settings import ItemSettings
from .vectors import vector_needs

if TYPE_CHECKING:
    from p5rec.models.click.interaction import Interaction

CLICKS = ("predict_click", LISTS)


class ClickSettings(ItemSettings):
    """Field embeddings and an interaction network, trained on log loss."""

    l2: float = Field(default=300.0, ge=0)
    """Ridge penalty of the embeddings, in instances."""
    field_dropout: float = Field(default=0.02, gt=0, lt=1)
    """Share of the fields that training replaces by unknown values, at random. It trains the
    embeddings of unseen users, items and values.
    """
    vectors: tuple[str, ...] = ()
    """Side vectors of users or items, by their names in the recipe: each is one more field."""
    attributes: tuple[str, ...] | None = None
    """Attributes of users and items that are fields. null: all."""
    learning_rate: float = Field(default=2e-3, gt=0)
    batch: int = Field(default=2048, ge=1)
    """Most instances per step. Small logs take smaller steps: at least 10 per epoch."""
    ema_epochs: float = Field(default=1, ge=0)
    epochs: int = Field(default=60, ge=1)
    patience: int = Field(default=4, ge=0)
    """Epochs without progress before training stops: their mean validation AUC is no higher than
    that of as many epochs before. 0: train all ``epochs``, without validation checks.
    """

    extendable: ClassVar[bool] = True
    """Whether another method can add fields or a training to it."""
    capabilities = CLICKS
    embeds_items = False
    validates_during_fit = False
    content_based = True
    untuned = Method.untuned | {"vectors", "attributes", "ids"}

    @property
    def weight_penalty(self) -> float:
        """The ridge penalty of first-order weights, if the network has some."""
        return 0.0

    @property
    def events_read(self) -> int:
        """The most events of a history that the network reads; 0: none."""
        return 0

    @property
    def embedding_width(self) -> int:
        """The width of an embedding, without the weight of its own."""
        return 0

    def network(self, fields: int, item_fields: int) -> Interaction:
        """The interaction network.

        Args:
            fields: the number of fields.
            item_fields: the number of the item's fields, which are the last ones.
        """
        raise NotImplementedError

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`: semantic ids and side vectors."""
        return {**super().needs(seed), **vector_needs(self.vectors)}

    def check_data(self, corpus: Corpus, tasks: Collection[str]) -> Iterator[str]:
        """See :class:`p5rec.methods.base.Method`: the attributes exist."""
        yield from super().check_data(corpus, tasks)
        known = [*corpus.users.attributes, *corpus.catalog.attributes]
        for name in self.attributes or ():
            if name not in known:
                hint = did_you_mean(name, known)
                yield f"attributes: expected one of users or items, got {name!r}; {hint}"


class EmbeddingSettings(ClickSettings):
    """Values with vectors."""

    embedding: int = Field(default=16, ge=1)
    """Width of the field embeddings."""

    @property
    def embedding_width(self) -> int:
        """See :class:`ClickSettings`."""
        return self.embedding


class DeepSettings(EmbeddingSettings):
    """A perceptron over the fields."""

    hidden: tuple[int, ...] = (64, 32)
    """Widths of the perceptron's layers."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout probability in the perceptron."""

    grid: ClassVar[Mapping[str, tuple[Any, ...]]] = {"l2": (100.0, 300.0)}
