"""A backbone in a file of its own: a recurrent network that is no model of transformers."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from p5rec.backbones.base import Traits
from p5rec.backbones.config import BackboneConfig
from p5rec.backbones.scratch import BYTE_TOKENS, byte_vocabulary
from p5rec.backbones.vocabulary import Vocabulary
from p5rec.core.rng import derive_seed


class Gru(BackboneConfig):
    """Settings of the network."""

    kind: Literal["gru"] = "gru"
    width: int = Field(16, ge=1)
    layers: int = Field(1, ge=1)

    def open(self, seed: int, *, empty: bool, download: bool) -> tuple[Recurrent, Vocabulary]:
        """See :class:`p5rec.backbones.config.BackboneConfig`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "weights"))
            network = Recurrent(BYTE_TOKENS, self.width, self.layers)
        return network, byte_vocabulary()


class Body(nn.Module):
    """Embedded tokens → states: a GRU and a linear layer for adapters."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.gru = nn.GRU(width, width, layers, batch_first=True)
        self.out = nn.Linear(width, width)

    def forward(self, inputs_embeds: Tensor) -> BaseModelOutput:
        """``(B, T, D)`` → ``(B, T, D)``."""
        return BaseModelOutput(last_hidden_state=self.out(self.gru(inputs_embeds)[0]))


class Recurrent(nn.Module):
    """A language model with tied input and output embeddings."""

    def __init__(self, tokens: int, width: int, layers: int) -> None:
        super().__init__()
        self.traits = Traits(width, depth=layers)
        self.words, self.body = nn.Embedding(tokens, width), Body(width, layers)
        self.head = nn.Linear(width, tokens, bias=False)
        self.head.weight = self.words.weight

    def get_input_embeddings(self) -> Any:
        """See :class:`p5rec.backbones.base.Network`."""
        return self.words

    def set_input_embeddings(self, embedding: nn.Module) -> None:
        """See :class:`p5rec.backbones.base.Network`."""
        self.words = embedding

    def get_output_embeddings(self) -> Any:
        """See :class:`p5rec.backbones.base.Network`."""
        return self.head

    def set_output_embeddings(self, head: nn.Module) -> None:
        """See :class:`p5rec.backbones.base.Network`."""
        self.head = head

    def get_decoder(self) -> Body:
        """See :class:`p5rec.backbones.base.Network`."""
        return self.body
