"""A language model that reads embedded tokens and writes text.

B sequences, T tokens, P positions, D hidden width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from p5rec.backbones.attention import use_short_attention
from p5rec.backbones.load import Backbone
from p5rec.backbones.precision import dtype_of
from p5rec.backbones.transformer import decoder_of, quantised
from p5rec.backbones.vocabulary import Vocabulary

from .config import PointSettings
from .point_adapter import PointAdapter, SoftTokens
from .positions import Positions, merge


class LanguageModel(nn.Module):
    """A backbone with the interface that reading prompts and generating text need.

    Attributes:
        lm: the network, with its adapter wrapper if it has one.
        traits: of the network.
        levels: the number of consecutive tokens that may share a position (:func:`.merge`).
        point_adapter: vectors of a space → soft tokens; None: the model reads words alone.
    """

    levels = 1
    point_adapter: PointAdapter | None

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.lm = backbone.model
        self.traits = backbone.traits
        self.point_adapter = None

    @property
    def causal(self) -> Any:
        """The language model without its adapter wrapper: a
        :class:`p5rec.backbones.base.Network`."""
        return self.lm.get_base_model() if hasattr(self.lm, "get_base_model") else self.lm

    @property
    def seq2seq(self) -> bool:
        """Whether the language model has an encoder for the prompts."""
        return self.traits.decoder_start is not None

    @property
    def start(self) -> int:
        """The start token of the decoder, if there is an encoder."""
        assert self.traits.decoder_start is not None
        return self.traits.decoder_start

    @property
    def decoder(self) -> Any:
        """The language model without its output head: tokens → hidden states."""
        return decoder_of(self.causal)

    @property
    def tokens(self) -> int:
        """V: the vocabulary size, with all new tokens."""
        return int(self.causal.get_input_embeddings().tokens)

    @property
    def device(self) -> torch.device:
        """The device of the model's parameters."""
        return next(self.parameters()).device

    def embed(
        self,
        ids: Tensor,
        mask: Tensor | None = None,
        *,
        blank: Tensor | None = None,
        at_end: bool = False,
        soft: SoftTokens | None = None,
    ) -> tuple[Tensor, Positions]:
        """Input embeddings ``(B, P, D)`` of tokens ``(B, T)``, and the map to positions.

        Args:
            mask: ``(B, T)``, 0 for padding on either side; None: there is none.
            blank: ``(B, T)`` bool, tokens whose embedding is zero.
            at_end: pad positions on the left, not on the right.
            soft: the tokens that stand for vectors; None: all are words.
        """
        real = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()
        starts, attached = self.shared_positions(ids)
        at = merge(starts, real, self.levels, attached, at_end=at_end)
        embedded = self.position_embeddings(ids, starts, at.first_tokens)
        if soft is not None:
            assert self.point_adapter is not None, "a prompt with vectors needs an adapter"
            numbers = soft.numbers.gather(1, at.first_tokens)
            embedded = self.point_adapter.fill(embedded, SoftTokens(numbers, soft.points))
        if blank is not None:
            embedded = embedded.masked_fill(blank.gather(1, at.first_tokens)[..., None], 0)
        return embedded, at

    def read_points(self, settings: PointSettings) -> None:
        """Adds an adapter, with random weights, so that prompts may hold vectors."""
        embedding = self.causal.get_input_embeddings()
        weight = getattr(embedding, "old", embedding).weight
        norm = 1.0 if weight.is_meta else float(weight.detach().float().norm(dim=1).mean())
        self.point_adapter = PointAdapter(settings, self.traits.width, norm)

    def shared_positions(self, ids: Tensor) -> tuple[Tensor, Tensor | None]:
        """Where several tokens of ``ids (B, T)`` that share a position start, and which further
        tokens share one (:func:`.merge`)."""
        return torch.zeros_like(ids, dtype=torch.bool), None

    def lengths(self, prompts: Sequence[np.ndarray]) -> np.ndarray:
        """``(B,)``: the number of positions of each of B prompts of token ids."""
        return np.array([len(prompt) for prompt in prompts], dtype=np.int64)

    def position_embeddings(self, ids: Tensor, starts: Tensor, first_tokens: Tensor) -> Tensor:
        """``(B, P, D)``: the input embedding of each position of ``ids (B, T)``.

        Args:
            starts: ``(B, T)`` of :meth:`shared_positions`.
            first_tokens: ``(B, P)`` the first token of each position.
        """
        embedded: Tensor = self.causal.get_input_embeddings()(ids.gather(1, first_tokens))
        return embedded

    def encode(
        self,
        ids: Tensor,
        mask: Tensor | None,
        blank: Tensor | None = None,
        soft: SoftTokens | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Encoder states ``(B, P, D)`` of prompts ``(B, S)``, and the mask of real positions."""
        embedded, at = self.embed(ids, mask, blank=blank, soft=soft)
        encoder = self.causal.get_encoder()
        outputs = encoder(inputs_embeds=embedded, attention_mask=at.real.long())
        return outputs.last_hidden_state, at.real

    def states(
        self, encoded: Tensor | None = None, real: Tensor | None = None, **inputs: Any
    ) -> Tensor:
        """``(B, P, D)``: the decoder's hidden states, as the output head takes them.

        Args:
            encoded, real: see :meth:`encode`; None: there is no encoder.
            inputs: of the decoder.
        """
        if encoded is not None:
            inputs |= {"encoder_hidden_states": encoded, "encoder_attention_mask": real}
        hidden: Tensor = self.decoder(**inputs).last_hidden_state
        scale = self.traits.state_scale
        return hidden * scale if scale != 1 else hidden

    def ready(self, precision: str = "float32") -> None:
        """Prepares inference: eval mode, on the GPU if there is one, in ``precision``."""
        self.eval()
        if not quantised(self.causal):
            self.lm.to(dtype=dtype_of(precision))  # heads stay in float32
        self.to("cuda" if torch.cuda.is_available() else "cpu")
        if self.device.type == "cpu" and not self.seq2seq:
            use_short_attention(self.causal)


class WithLanguageModel(Protocol):
    """Anything with a language model and its vocabulary."""

    @property
    def model(self) -> LanguageModel: ...

    @property
    def vocabulary(self) -> Vocabulary: ...


@dataclass(frozen=True, eq=False)
class OpenedModel:
    """A language model and its vocabulary, without items."""

    model: LanguageModel
    vocabulary: Vocabulary
