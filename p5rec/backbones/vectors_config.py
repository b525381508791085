"""The ``vectors`` section of a recipe."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from p5rec.core.config import Config

MAX_TOKENS = 128
SOURCES = ("texts", "metadata", "reviews", "file")


class VectorFileConfig(Config):
    """Finished vectors of the user's own."""

    path: str
    """``.npy`` in the order of the item or user table, or ``.parquet`` with the columns ``item``
    (or ``user``) and ``vector``.
    """
    of: Literal["items", "users"] = "items"
    """What the vectors describe."""


class StoredVectorsConfig(Config):
    """Stored vectors of items, users or events: exactly one of ``texts``, ``metadata``, ``reviews``
    and ``file``. An item, user or event without a text has no vector."""

    texts: str | None = None
    """Name of the recipe's texts that are encoded."""
    metadata: Literal["items", "users"] | None = None
    """Encode titles and attributes of the items, or attributes of the users."""
    attributes: tuple[str, ...] | None = None
    """Attributes that ``metadata`` reads. null: all."""
    reviews: Literal["events", "items", "users"] | None = None
    """Encode the reviews of the training events: one vector per event, or the mean per item or
    user. A user's profile events alone count, where the split has some.
    """
    file: VectorFileConfig | None = None
    """Read finished vectors from a file."""
    encoder: str = "minilm"
    """Text encoder: ``minilm``, ``smollm2``, a folder, or a name on the hub. The vector of a text
    is the mean of the hidden states of its tokens, with norm 1.
    """
    layer: Annotated[int, Field(ge=0)] | None = None
    """Hidden state of the encoder: 0 the embeddings, n the output of block n. null: the last."""
    max_tokens: Annotated[int, Field(ge=1)] = MAX_TOKENS
    """Most tokens of a text; longer texts are cut."""
    drop_words: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the words that are left out of each text, drawn at random: a second view of the same
    item or user.
    """
    permuted: bool = False
    """Permutation control: exchange the vectors among the items, users or events that have one."""
    seed: int = 0
    """Seed of the permutation, to which the n-th run adds n, counting from 0; and of the dropped
    words.
    """

    @property
    def source(self) -> str:
        """The key that names the source."""
        return next(name for name in SOURCES if getattr(self, name) is not None)

    def encoding(self) -> dict[str, Any]:
        """The settings that the vectors depend on before a permutation."""
        unused = {"permuted"} if self.drop_words else {"permuted", "seed"}
        return {n: value for n, value in self.dump().items() if n not in unused}

    @model_validator(mode="after")
    def _one_source(self) -> StoredVectorsConfig:
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected exactly one of {', '.join(SOURCES)}, got {given or 'none'}")
        if self.attributes is not None and self.metadata is None:
            raise ValueError("attributes: metadata alone has some; leave them out")
        return self
