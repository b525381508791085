"""The kinds of click models; torch is imported when one is fitted or loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from .method import ClickMethod
from .settings import DeepSettings, EmbeddingSettings

if TYPE_CHECKING:
    from p5rec.models.click.interaction import Interaction


class LogisticRegression(ClickMethod):
    """Logistic regression: a weight for each value of each field."""

    kind: Literal["logistic"] = "logistic"
    l2: float = Field(default=0.5, ge=0)
    """Ridge penalty of the weights, in instances."""
    learning_rate: float = Field(default=5e-3, gt=0)
    batch: int = Field(default=512, ge=1)

    grid = {"l2": (0.3, 1.0, 3.0)}

    @property
    def weight_penalty(self) -> float:
        """See :class:`.settings.ClickSettings`."""
        return self.l2

    def network(self, fields: int, item_fields: int) -> Interaction:
        """See :class:`.settings.ClickSettings`."""
        from p5rec.models.click.logistic import Logistic

        return Logistic()


class Fm(EmbeddingSettings, ClickMethod):
    """A factorisation machine (Rendle 2010)."""

    kind: Literal["fm"] = "fm"
    l2: float = Field(default=3.0, ge=0)
    weight_l2: float = Field(default=0.5, ge=0)
    """Ridge penalty of the first-order weights, in instances."""

    grid = {"l2": (1.0, 3.0, 10.0)}

    @property
    def weight_penalty(self) -> float:
        """See :class:`.settings.ClickSettings`."""
        return self.weight_l2

    def network(self, fields: int, item_fields: int) -> Interaction:
        """See :class:`.settings.ClickSettings`."""
        from p5rec.models.click.fm import FactorisationMachine

        return FactorisationMachine()


class DeepFm(DeepSettings, ClickMethod):
    """DeepFM (Guo et al. 2017, arXiv:1703.04247)."""

    kind: Literal["deepfm"] = "deepfm"
    weight_l2: float = Field(default=0.5, ge=0)
    """Ridge penalty of the first-order weights, in instances."""

    @property
    def weight_penalty(self) -> float:
        """See :class:`.settings.ClickSettings`."""
        return self.weight_l2

    def network(self, fields: int, item_fields: int) -> Interaction:
        """See :class:`.settings.ClickSettings`."""
        from p5rec.models.click.deepfm import DeepFm as Network

        return Network(fields, self.embedding, self.hidden, self.dropout)


class DcnV2(DeepSettings, ClickMethod):
    """DCN V2 in its parallel form (Wang et al. 2021, arXiv:2008.13535)."""

    kind: Literal["dcnv2"] = "dcnv2"
    crosses: int = Field(default=2, ge=1)
    """Cross layers."""

    def network(self, fields: int, item_fields: int) -> Interaction:
        """See :class:`.settings.ClickSettings`."""
        from p5rec.models.click.dcnv2 import DcnV2 as Network

        return Network(fields, self.embedding, self.crosses, self.hidden, self.dropout)


class AutoInt(DeepSettings, ClickMethod):
    """AutoInt with a perceptron (Song et al. 2019, arXiv:1810.11921)."""

    kind: Literal["autoint"] = "autoint"
    layers: int = Field(default=2, ge=1)
    """Attention layers."""
    heads: int = Field(default=2, ge=1)
    """Attention heads; ``embedding`` is a multiple."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.embedding % self.heads:
            raise ValueError(
                f"embedding: expected a multiple of heads ({self.heads}), got {self.embedding}"
            )
        return self

    def network(self, fields: int, item_fields: int) -> Interaction:
        """See :class:`.settings.ClickSettings`."""
        from p5rec.models.click.autoint import AutoInt as Network

        return Network(fields, self.embedding, self.layers, self.heads, self.hidden, self.dropout)


class DinSettings(DeepSettings):
    """A network over the fields that pools the history by target attention."""

    history: int = Field(default=20, ge=1)
    """Most recent events that are read."""
    attention: tuple[int, ...] = Field(default=(32, 16), min_length=1)
    """Widths of the attention's layers."""

    @property
    def events_read(self) -> int:
        """See :class:`.settings.ClickSettings`."""
        return self.history

    def network(self, fields: int, item_fields: int) -> Interaction:
        """See :class:`.settings.ClickSettings`."""
        from p5rec.models.click.din import Din as Network

        return Network(
            fields, item_fields, self.embedding, self.attention, self.hidden, self.dropout
        )


class Din(DinSettings, ClickMethod):
    """DIN (Zhou et al. 2018, arXiv:1706.06978); it also reads the labels of the history."""

    kind: Literal["din"] = "din"
