"""What a recipe's ``ids`` section may say, and the names it may use."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from p5rec.core.config import Config
from p5rec.core.errors import did_you_mean
from p5rec.core.registry import Registry

# name → fit(config, vectors (N, D)) -> (ItemCodes, Collisions | None)
SCHEMES = Registry(
    "id scheme", {"rq-kmeans": "p5rec.ids.rqkmeans:fit", "random": "p5rec.ids.plain:fit"}
)
# name → policy(quantised, seed) -> Resolved
POLICIES = Registry(
    "collision policy",
    {
        "nearest-free": "p5rec.ids.collisions:nearest_free",
        "extra-level": "p5rec.ids.collisions:extra_level",
    },
)

Size = Annotated[int, Field(ge=2, le=65536)]
Weight = Annotated[float, Field(gt=0)]


class CooccurrenceConfig(Config):
    """Item vectors out of the training histories.

    Attributes:
        dim: width of the vectors (at most one less than the number of items).
        window: how many events apart two items of one history may be and still count as a pair.
        weight: length of this part of an item's vector beside the text part.
    """

    dim: Annotated[int, Field(ge=1)] = 64
    window: Annotated[int, Field(ge=1)] = 5
    weight: Weight = 1.0


class VectorsConfig(Config):
    """What an item's vector is made of.

    Attributes:
        text: name or folder of the text encoder, or null for none.
        text_weight: length of the text part of an item's vector.
        cooccurrence: settings of the co-occurrence part, or null for none.
    """

    text: str | None = "minilm"
    text_weight: Weight = 0.5
    cooccurrence: CooccurrenceConfig | None = CooccurrenceConfig()

    @property
    def empty(self) -> bool:
        """Whether items get no vector at all."""
        return self.text is None and self.cooccurrence is None


class IdsConfig(Config):
    """How items get their codes.

    Attributes:
        scheme: what makes the codes, a name in ``SCHEMES``.
        levels: L, codes an item.
        codebook: codes a level; one number for all levels, or one a level.
        vectors: what the codes are learned from.
        collisions: what parts items with equal codes, a name in ``POLICIES``.
        seed: of every draw made here.
    """

    scheme: str = "rq-kmeans"
    levels: Annotated[int, Field(ge=1, le=12)] = 3
    codebook: Size | list[Size] = 64
    vectors: VectorsConfig = VectorsConfig()
    collisions: str = "nearest-free"
    seed: int = 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """The codebook size of each of the L levels."""
        book = self.codebook
        return (book,) * self.levels if isinstance(book, int) else tuple(book)

    def reseeded(self, n: int) -> IdsConfig:
        """The same with ``n`` added to its seed."""
        return self.model_copy(update={"seed": self.seed + n})

    @field_validator("scheme", "collisions")
    @classmethod
    def _known(cls, name: str, info: Any) -> str:
        registry = SCHEMES if info.field_name == "scheme" else POLICIES
        if name not in registry:
            raise ValueError(f"expected a known {registry.kind}; {did_you_mean(name, registry)}")
        return name

    @model_validator(mode="after")
    def _fits_together(self) -> IdsConfig:
        if len(self.sizes) != self.levels:
            raise ValueError(
                f"codebook names {len(self.sizes)} levels, levels says {self.levels}; match them"
            )
        if self.vectors.empty and self.scheme != "random":
            raise ValueError(f"scheme {self.scheme} needs vectors.text or vectors.cooccurrence")
        return self
