"""What a network must be to stand under a recipe's model, and what it may offer beside.

B lines, T positions of a line, D width, V tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import nn


@dataclass(frozen=True)
class Traits:
    """What others must know of a network. The defaults are those of the plainest one.

    Attributes:
        width: D.
        depth: blocks that positions pass through, one after the other; for estimates.
        attention: numbers in all heads of a block together; 0: it has no attention.
        start: the token that opens every answer where an encoder reads the questions; None: there
            is no encoder.
        shrink: by which states are multiplied before the head reads them.
        keeps: its decoder keeps what it read as transformers' decoders do: it takes
            ``attention_mask``, ``position_ids``, ``past_key_values`` and ``use_cache`` too, so a
            prompt is read once for all that may follow. Without, it is read anew for each.
        packs: where ``position_ids (B, T)`` begin anew, so does a row that sees none before it.
    """

    width: int
    depth: int = 1
    attention: int = 0
    start: int | None = None
    shrink: float = 1.0
    keeps: bool = False
    packs: bool = False


class Network(Protocol):
    """A ``torch.nn.Module`` that reads lines of embedded tokens from left to right.

    Token rows are grown in place: the embedding and the head are replaced by ones over more tokens
    (:mod:`.grow`), in which no parameter of the network's own learns.

    Every model of transformers with a language head is one. What a network may offer beside:

    - ``generate``, which writes text, as transformers have it; without, words are asked for one
      by one;
    - ``gradient_checkpointing_enable``, as they have it, for ``train.gradient_checkpointing``;
    - linear layers in its decoder, for ``lora``;
    - ``get_encoder``, for a network whose :attr:`Traits.start` is set: a module that is called with
      ``inputs_embeds (B, T, D)`` and ``attention_mask (B, T)``. Its decoder takes
      ``encoder_hidden_states``, ``encoder_attention_mask`` and all that :attr:`Traits.keeps` says.
    """

    @property
    def traits(self) -> Traits:
        """Of a model of transformers see :func:`.transformer.traits_of`."""
        ...

    def get_input_embeddings(self) -> Any:
        """An ``nn.Embedding`` ``(V, D)``, or what it was replaced by: ids ``(B, T)`` →
        ``(B, T, D)``."""
        ...

    def set_input_embeddings(self, rows: nn.Module) -> None: ...

    def get_output_embeddings(self) -> Any:
        """An ``nn.Linear`` from D to V, whose weight may be the embedding's, or what it was
        replaced by."""
        ...

    def set_output_embeddings(self, head: nn.Module) -> None: ...

    def get_decoder(self) -> nn.Module:
        """The module that holds all weights between embedding and head.

        It is called with ``inputs_embeds (B, T, D)`` and answers with something that has
        ``last_hidden_state (B, T, D)``. What stands at a position depends on no later one, so lines
        are padded on the right without a mask.
        """
        ...
