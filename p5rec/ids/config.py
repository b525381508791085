"""What a recipe's ``ids`` section may say, and the names it may use."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from p5rec.core.config import Config, FileName
from p5rec.core.errors import did_you_mean
from p5rec.core.registry import Registry

# name → fit(config, items: ItemData) -> Coded
SCHEMES = Registry(
    "id scheme",
    {
        "random": "p5rec.ids.plain:by_chance",
        "sequential": "p5rec.ids.plain:by_order",
        "title": "p5rec.ids.plain:by_title",
        "category": "p5rec.ids.plain:by_category",
        "h-kmeans": "p5rec.ids.hierarchical:by_kmeans",
        "cid": "p5rec.ids.hierarchical:by_cooccurrence",
        "cid-iid": "p5rec.ids.hierarchical:with_own_token",
        "rq-kmeans": "p5rec.ids.rqkmeans:fit",
        "rq-vae": "p5rec.ids.rqvae:fit",
        "pq": "p5rec.ids.product:plain",
        "opq": "p5rec.ids.product:rotated",
    },
)
DEEPEST = 24  # levels
BY_VECTORS = frozenset({"h-kmeans", "rq-kmeans", "rq-vae", "pq", "opq"})
BY_EVENTS = frozenset({"sequential", "cid", "cid-iid"})
# the learned part of a scheme, by the name under which it is kept
QUANTISERS = Registry(
    "quantiser",
    {
        "residual": "p5rec.ids.quantiser:Residual",
        "tree": "p5rec.ids.quantiser:Tree",
        "words": "p5rec.ids.plain:Words",
        "product": "p5rec.ids.product:Product",
        "auto-encoder": "p5rec.ids.rqvae:AutoEncoder",
    },
)
# name → policy(coded, seed) -> Resolved
POLICIES = Registry(
    "collision policy",
    {
        "nearest-free": "p5rec.ids.collisions:nearest_free",
        "sinkhorn": "p5rec.ids.collisions:sinkhorn",
        "extra-level": "p5rec.ids.collisions:extra_level",
        "shared": "p5rec.ids.collisions:shared",
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


class MethodViewConfig(Config):
    """Item vectors of a fitted method.

    Attributes:
        method: the name of a method of the recipe or of a baseline, or a section as in
            ``methods:``; what it may say is known to ``p5rec.methods.views``.
        weight: length of this part of an item's vector.
    """

    method: str | dict[str, Any]
    weight: Weight = 1.0


class FileConfig(Config):
    """Item vectors of the user's own.

    Attributes:
        path: ``.npy`` in the order of the item table, or ``.parquet`` with columns item and vector.
        weight: length of this part of an item's vector.
    """

    path: str
    weight: Weight = 1.0


class VectorsConfig(Config):
    """What an item's vector is made of.

    Attributes:
        text: name or folder of the text encoder, or null for none. A language model's mean hidden
            state serves as well.
        text_weight: length of the text part of an item's vector.
        cooccurrence, file: settings of further parts, or null for none.
        methods: further parts by name, each the item vectors of a fitted method.
        whiten: let each part's axes count alike before it is scaled to its weight.
    """

    text: str | None = "minilm"
    text_weight: Weight = 0.5
    cooccurrence: CooccurrenceConfig | None = CooccurrenceConfig()
    methods: dict[FileName, MethodViewConfig] = {}
    file: FileConfig | None = None
    whiten: bool = False

    @property
    def weights(self) -> dict[str, float]:
        """The parts that are asked for, with their weights."""
        found = {"text": self.text_weight} if self.text is not None else {}
        parts = {"cooccurrence": self.cooccurrence, **self.methods, "file": self.file}
        return found | {name: part.weight for name, part in parts.items() if part is not None}

    @field_validator("methods")
    @classmethod
    def _named_apart(cls, views: dict[str, MethodViewConfig]) -> dict[str, MethodViewConfig]:
        if taken := sorted(views.keys() & {"text", "cooccurrence", "file"}):
            raise ValueError(f"expected names of their own; rename {taken[0]!r}")
        return views


class RqVaeConfig(Config):
    """The auto-encoder of ``rq-vae``.

    Attributes:
        latent: width of the latent space; that of the vectors where they are narrower.
        hidden: width of the perceptrons.
        epochs, batch, learning_rate: of its training.
        commitment: weight of what draws the encoder to the codebooks.
        gradient: the way from decoder to encoder, see ``p5rec.ids.rqvae``; ``rotation`` wants a
            commitment of 1 or more.
    """

    latent: Annotated[int, Field(ge=2)] = 512
    hidden: Annotated[int, Field(ge=1)] = 256
    epochs: Annotated[int, Field(ge=1)] = 60
    batch: Annotated[int, Field(ge=1)] = 512
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    commitment: Annotated[float, Field(ge=0)] = 0.25
    gradient: Literal["straight-through", "rotation"] = "straight-through"


class IdsConfig(Config):
    """How items get their codes.

    Attributes:
        scheme: what makes the codes, a name in ``SCHEMES``.
        levels: L, codes an item.
        codebook: codes a level; one number for all levels, or one a level; ``auto``: the smallest
            power of two that gives the levels room for twice the items.
        vectors: what the codes are learned from.
        balanced: let k-means give no cluster more than its even share of the items.
        attribute: the item attribute that ``category`` reads.
        rqvae: settings of ``rq-vae``.
        collisions: what parts items with equal codes, a name in ``POLICIES``; null is
            ``extra-level`` for ``title`` and ``category``, which leave much equal, and
            ``nearest-free`` for all others.
        permute: deal the finished codes out to the items anew: the control.
        accept: faults of the codes that the gate is to let pass (see ``p5rec.ids.gate``).
        seed: of every draw made here.
    """

    scheme: str = "rq-kmeans"
    levels: Annotated[int, Field(ge=1, le=DEEPEST)] = 3
    codebook: Size | list[Size] | Literal["auto"] = 64
    vectors: VectorsConfig = VectorsConfig()
    balanced: bool = False
    attribute: str | None = None
    rqvae: RqVaeConfig = RqVaeConfig()
    collisions: str | None = None
    permute: bool = False
    accept: tuple[Literal["utilisation", "unique"], ...] = ()
    seed: int = 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """The codebook size of each of the L levels.

        Raises:
            ValueError: they hang on the items (:meth:`sized`).
        """
        book = self.codebook
        if book == "auto":
            raise ValueError("expected codebooks sized for a catalogue, got auto")
        return (book,) * self.levels if isinstance(book, int) else tuple(book)

    def sized(self, n_items: int) -> IdsConfig:
        """The same, its codebooks as large as ``n_items`` want them."""
        if self.codebook != "auto":
            return self
        bits = -(-(2 * n_items - 1).bit_length() // self.levels)
        return self.model_copy(update={"codebook": 2**bits})

    @property
    def policy(self) -> str:
        """What parts items with equal codes."""
        if self.collisions is not None:
            return self.collisions
        return "extra-level" if self.scheme in ("title", "category") else "nearest-free"

    def reseeded(self, n: int) -> IdsConfig:
        """The same with ``n`` added to its seed."""
        return self.model_copy(update={"seed": self.seed + n})

    @field_validator("scheme", "collisions")
    @classmethod
    def _known(cls, name: str | None, info: Any) -> str | None:
        registry = SCHEMES if info.field_name == "scheme" else POLICIES
        if name is not None and name not in registry:
            raise ValueError(f"expected a known {registry.kind}; {did_you_mean(name, registry)}")
        return name

    @model_validator(mode="after")
    def _fits_together(self) -> IdsConfig:
        if self.codebook != "auto" and len(self.sizes) != self.levels:
            raise ValueError(
                f"codebook names {len(self.sizes)} levels, levels says {self.levels}; match them"
            )
        if not self.vectors.weights and self.scheme in BY_VECTORS:
            raise ValueError(f"scheme {self.scheme} needs vectors.text or another part of vectors")
        if self.scheme == "category" and self.attribute is None:
            raise ValueError("scheme category needs attribute: the one that holds the categories")
        return self
