"""The interface that a network must implement to be a backbone, and its optional methods.

B sequences, T positions of a sequence, D hidden width, V vocabulary size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import nn


@dataclass(frozen=True)
class Traits:
    """Properties of a network. The defaults describe the simplest one.

    Attributes:
        width: D.
        depth: number of blocks; for estimates of memory and time.
        attention: total width of the attention heads of a block; 0: no attention.
        decoder_start: the token with which the decoder starts every output sequence; None: the
            network has no encoder.
        state_scale: factor on hidden states before the output head.
        kv_cache: the decoder supports the key-value cache of transformers: it takes
            ``input_ids`` instead of ``inputs_embeds``, and ``attention_mask``, ``position_ids``,
            ``past_key_values`` and ``use_cache`` too. A prompt is then computed once for all its
            continuations, otherwise once for each.
        packing: attention is restricted to one packed sequence: a new one starts wherever
            ``position_ids (B, T)`` restart.
        relative_positions: attention knows the distances of positions and nothing else of them.
    """

    width: int
    depth: int = 1
    attention: int = 0
    decoder_start: int | None = None
    state_scale: float = 1.0
    kv_cache: bool = False
    packing: bool = False
    relative_positions: bool = False


class Network(Protocol):
    """A causal ``torch.nn.Module`` over sequences of embedded tokens.

    The vocabulary is extended in place: :mod:`.extend` replaces the embedding and the output head
    by ones with more tokens. The network's own parameters in them stay frozen.

    Every language model of transformers implements this interface. Optional members:

    - ``generate`` with the signature of transformers: generates text; without it, text is
      generated token by token;
    - ``gradient_checkpointing_enable`` with the signature of transformers: for
      ``train.gradient_checkpointing``;
    - ``use_attention``: replaces the attention of the decoder by a function with the signature of
      :func:`.attention.short_attention`, to which it gives additive masks;
    - ``to_transformers``: a model of transformers with the same weights and logits, for
      ``p5rec export``. It is called when embedding and head are plain modules again;
    - linear layers in the decoder: for ``lora``;
    - ``get_encoder``: for a network with :attr:`Traits.decoder_start`. The encoder is called with
      ``inputs_embeds (B, T, D)`` and ``attention_mask (B, T)``. The decoder then takes
      ``encoder_hidden_states``, ``encoder_attention_mask`` and all arguments of
      :attr:`Traits.kv_cache`.
    """

    @property
    def traits(self) -> Traits:
        """See :class:`Traits`; for a model of transformers :func:`.transformer.traits_of`."""
        ...

    def get_input_embeddings(self) -> Any:
        """An ``nn.Embedding`` ``(V, D)`` or its replacement: ids ``(B, T)`` → ``(B, T, D)``."""
        ...

    def set_input_embeddings(self, embedding: nn.Module) -> None: ...

    def get_output_embeddings(self) -> Any:
        """An ``nn.Linear`` from D to V, possibly tied to the embedding, or its replacement."""
        ...

    def set_output_embeddings(self, head: nn.Module) -> None: ...

    def get_decoder(self) -> nn.Module:
        """The module with all weights between embedding and output head.

        It is called with ``inputs_embeds (B, T, D)`` and returns an object with
        ``last_hidden_state (B, T, D)``. It is causal, so sequences are padded on the right without
        a mask.
        """
        ...
