"""The ``ids`` section of a recipe, and the registries of id schemes and policies."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from p5rec.core.config import Config, FileName
from p5rec.core.kinds import one_of
from p5rec.core.registry import Registry

# name → fit(config, items: ItemData) -> Coded
SCHEMES = Registry(
    "id scheme",
    {
        "random": "p5rec.ids.plain:random_codes",
        "sequential": "p5rec.ids.plain:sequential_codes",
        "title": "p5rec.ids.plain:title_codes",
        "category": "p5rec.ids.plain:category_codes",
        "h-kmeans": "p5rec.ids.hierarchical:by_kmeans",
        "cid": "p5rec.ids.hierarchical:by_cooccurrence",
        "cid-iid": "p5rec.ids.hierarchical:with_own_token",
        "rq-kmeans": "p5rec.ids.rqkmeans:fit",
        "rq-vae": "p5rec.ids.rqvae:fit",
        "pq": "p5rec.ids.product:plain",
        "opq": "p5rec.ids.product:rotated",
    },
)
DEEPEST = 64  # levels
BY_VECTORS = frozenset({"h-kmeans", "rq-kmeans", "rq-vae", "pq", "opq"})
BALANCED = ("h-kmeans", "rq-kmeans", "rq-vae")
BY_EVENTS = frozenset({"sequential", "cid", "cid-iid"})
# the learned quantiser of a scheme, by its name in saved files
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
    """Item vectors from co-occurrence in training histories."""

    dim: Annotated[int, Field(ge=1)] = 64
    """Width of the vectors; at most one less than the number of items."""
    window: Annotated[int, Field(ge=1)] = 5
    """Largest distance, in events of one history, at which two items count as a pair."""
    weight: Weight = 1.0
    """Norm of this view in an item's vector."""


class MethodViewConfig(Config):
    """Item vectors of a fitted method."""

    method: str | dict[str, Any]
    """Name of a method of the recipe or of a baseline, or a section as under ``methods``."""
    weight: Weight = 1.0
    """Norm of this view in an item's vector."""


class FileConfig(Config):
    """Item vectors of the user's own."""

    path: str
    """``.npy`` in the order of the item table, or ``.parquet`` with the columns ``item`` and
    ``vector``.
    """
    weight: Weight = 1.0
    """Norm of this view in an item's vector."""


class VectorsConfig(Config):
    """The views that make up an item vector."""

    text: str | None = "minilm"
    """Text encoder: ``minilm``, a folder, or a name on the hub. A language model's mean hidden
    state serves as well. null: no text.
    """
    text_weight: Weight = 0.5
    """Norm of the text view in an item's vector."""
    cooccurrence: CooccurrenceConfig | None = CooccurrenceConfig()
    """View from the co-occurrence of items in training histories. null: none."""
    methods: dict[FileName, MethodViewConfig] = {}
    """Name → view from the item vectors of a fitted method."""
    file: FileConfig | None = None
    """View from a file of item vectors. null: none."""
    whiten: bool = False
    """Whiten each view (equal variance on all axes) before it is scaled to its norm."""

    @property
    def weights(self) -> dict[str, float]:
        """The configured views and their weights."""
        weights = {"text": self.text_weight} if self.text is not None else {}
        views = {"cooccurrence": self.cooccurrence, **self.methods, "file": self.file}
        return weights | {name: view.weight for name, view in views.items() if view is not None}

    @field_validator("methods")
    @classmethod
    def _unique_names(cls, views: dict[str, MethodViewConfig]) -> dict[str, MethodViewConfig]:
        if taken := sorted(views.keys() & {"text", "cooccurrence", "file"}):
            raise ValueError(f"expected names of their own; rename {taken[0]!r}")
        return views


class RqVaeConfig(Config):
    """The auto-encoder of ``rq-vae``."""

    latent: Annotated[int, Field(ge=2)] = 512
    """Width of the latent space; that of the vectors where they are narrower."""
    hidden: Annotated[int, Field(ge=1)] = 256
    """Width of the hidden layers of encoder and decoder."""
    epochs: Annotated[int, Field(ge=1)] = 60
    """Training epochs."""
    batch: Annotated[int, Field(ge=1)] = 512
    """Items per training step."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Learning rate of Adam."""
    commitment: Annotated[float, Field(ge=0)] = 0.25
    """Weight of the commitment loss, which pulls the encoder to the codebooks."""
    gradient: Literal["straight-through", "rotation"] = "straight-through"
    """Gradient estimator through the quantiser. ``rotation`` needs a commitment of 1 or more."""


class IdsConfig(Config):
    """How items are coded."""

    scheme: Annotated[str, one_of(SCHEMES.kind, SCHEMES)] = "rq-kmeans"
    """Id scheme: ``random``, ``sequential``, ``title``, ``category``, ``h-kmeans``, ``cid``,
    ``cid-iid``, ``rq-kmeans``, ``rq-vae``, ``pq`` or ``opq``.
    """
    levels: Annotated[int, Field(ge=1, le=DEEPEST)] = 3
    """Codes per item."""
    codebook: Size | list[Size] | Literal["auto", "shared"] = 64
    """Codes per level: one number, or a list with one number per level. Two sizes follow the
    catalogue. ``auto``: the smallest power of two with which the levels can distinguish twice as
    many items. ``shared``, for many parallel levels: the largest power of two (2 at least) with
    which the levels together have no more codes than there are items.
    """
    vectors: VectorsConfig = VectorsConfig()
    """Views of the item vectors."""
    balanced: bool = False
    """Let k-means give no cluster more than an even share of the items, in the schemes ``h-kmeans``
    and ``rq-kmeans``, and in the initial codebooks of ``rq-vae``.
    """
    attribute: str | None = None
    """Item attribute that the scheme ``category`` reads."""
    rqvae: RqVaeConfig = RqVaeConfig()
    """Settings of the scheme ``rq-vae``."""
    collisions: Annotated[str, one_of(POLICIES.kind, POLICIES)] | None = None
    """Collision policy: ``nearest-free``, ``sinkhorn``, ``extra-level`` or ``shared``. null:
    ``extra-level`` for ``title`` and ``category``, else ``nearest-free``.
    """
    permute: bool = False
    """Permutation control: permute the finished codes among the items."""
    accept: tuple[Literal["utilisation", "unique"], ...] = ()
    """Quality thresholds that the codes may miss: ``utilisation``, ``unique``."""
    seed: int = 0
    """Seed of the ids."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """The codebook size of each of the L levels.

        Raises:
            ValueError: ``auto`` and ``shared`` have no size before :meth:`sized`.
        """
        book = self.codebook
        if isinstance(book, str):
            raise ValueError(f"expected codebooks sized for a catalogue, got {book}")
        return (book,) * self.levels if isinstance(book, int) else tuple(book)

    def sized(self, n_items: int) -> IdsConfig:
        """The config with codebook sizes for ``n_items`` in place of ``auto`` or ``shared``."""
        if self.codebook == "auto":
            bits = -(-(2 * n_items - 1).bit_length() // self.levels)
        elif self.codebook == "shared":
            bits = max(1, (n_items // self.levels).bit_length() - 1)
        else:
            return self
        return self.model_copy(update={"codebook": 2**bits})

    @property
    def policy(self) -> str:
        """The collision policy."""
        if self.collisions is not None:
            return self.collisions
        return "extra-level" if self.scheme in ("title", "category") else "nearest-free"

    def reseeded(self, n: int) -> IdsConfig:
        """The config with ``n`` added to its seed."""
        return self.model_copy(update={"seed": self.seed + n})

    @model_validator(mode="after")
    def _fits_together(self) -> IdsConfig:
        if not isinstance(self.codebook, str) and len(self.sizes) != self.levels:
            raise ValueError(
                f"expected {self.levels} codebook sizes, one per level, got {len(self.sizes)}; "
                "match codebook and levels"
            )
        if not self.vectors.weights and self.scheme in BY_VECTORS:
            raise ValueError(f"scheme {self.scheme} needs vectors.text or another view")
        if self.balanced and self.scheme not in BALANCED:
            known = ", ".join(BALANCED)
            raise ValueError(f"balanced: expected one of the schemes {known}, got {self.scheme}")
        if self.scheme == "category" and self.attribute is None:
            raise ValueError(
                "scheme category needs attribute: the item attribute with the categories"
            )
        return self
