"""Incremental decoding with an encoder: one encoder pass over the prompts, then one step of the
decoder for all beams at a time.

B requests, G histories, T tokens of a prompt, P tokens that a decoder reads first, K beams, X size
of the output at a token, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import torch
from torch import Tensor
from torch.nn.functional import pad

from .readers import Reader, empty_cache, selected


class DecoderReader:
    """An encoder-decoder model: one encoder pass a prompt; each beam is a decoder sequence.

    Args:
        run: the model: keyword arguments of a transformers encoder-decoder → ``(B, T, X)``.
        encoded: ``(B, T, D)``, encoder states of the prompts.
        mask: ``(B, T)``, real tokens of the prompts; None: all.
        start: the start token of the decoder.
        prefix: embeddings ``(B, P, D)`` and mask ``(B, P)`` of what the decoder reads first, from
            the start token on, padded on the left; None: the start token alone.
    """

    def __init__(
        self,
        run: Callable[..., Tensor],
        encoded: Tensor,
        mask: Tensor | None,
        start: int,
        prefix: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        self.run, self.encoded, self.mask, self.start = run, encoded, mask, start
        self.prefix = prefix

    def read(self, *, keep: bool = True) -> Tensor:
        """See :class:`.readers.Reader`."""
        from transformers import EncoderDecoderCache

        self.cache = EncoderDecoderCache(empty_cache(), empty_cache())
        self.of_beams, self.real = (self.encoded, self.mask), None
        if self.prefix is not None:
            embedded, self.real = self.prefix
            return self._run({"decoder_inputs_embeds": embedded})
        start = torch.full((len(self.encoded), 1), self.start, device=self.encoded.device)
        return self._run({"decoder_input_ids": start})

    def follow(self, inputs: dict[str, Tensor], parents: Tensor) -> Tensor:
        """See :class:`.readers.Reader`."""
        batch, beams = parents.shape
        encoded, mask = self.of_beams
        before = len(encoded) // batch
        first = torch.arange(batch, device=parents.device)[:, None] * before
        indices = (first + parents).flatten()
        self.cache.self_attention_cache.batch_select_indices(indices)
        if beams != before:  # else the prompt of each beam stays the same
            self.cache.cross_attention_cache.batch_select_indices(indices)
            self.of_beams = encoded[indices], None if mask is None else mask[indices]
        if self.real is not None:
            self.real = pad(self.real[indices], (0, 1), value=True)
        named = {f"decoder_{name}": value.flatten(0, 1)[:, None] for name, value in inputs.items()}
        return self._run(named).unflatten(0, (batch, beams))

    def take(self, rows: Tensor) -> DecoderReader:
        """See :class:`.readers.Takes`."""
        from transformers import EncoderDecoderCache

        taken, (encoded, mask) = copy(self), self.of_beams
        taken.of_beams = encoded[rows], None if mask is None else mask[rows]
        taken.real = None if self.real is None else self.real[rows]
        own, cross = self.cache.self_attention_cache, self.cache.cross_attention_cache
        taken.cache = EncoderDecoderCache(selected(own, rows), selected(cross, rows))
        return taken

    def _run(self, inputs: dict[str, Tensor]) -> Tensor:
        from transformers.modeling_outputs import BaseModelOutput

        encoded, mask = self.of_beams
        if self.real is not None:
            inputs = {**inputs, "decoder_attention_mask": self.real}
        outputs = self.run(
            **inputs,
            encoder_outputs=BaseModelOutput(last_hidden_state=encoded),
            attention_mask=mask,
            past_key_values=self.cache,
            use_cache=True,
        )[:, -1]
        self.dtype = outputs.dtype
        return outputs


class DecoderBranchReader(DecoderReader):
    """An encoder-decoder model in which B prompts continue G histories, each encoded once.

    Args:
        run, start: as of :class:`DecoderReader`.
        histories: encoder states ``(G, S, D)`` and mask ``(G, S)``.
        prompts: as ``prefix`` of :class:`DecoderReader`.
        history_of: ``(B,)`` int64, the history that each prompt continues.
    """

    def __init__(
        self,
        run: Callable[..., Tensor],
        histories: tuple[Tensor, Tensor],
        prompts: tuple[Tensor, Tensor],
        history_of: Tensor,
        start: int,
    ) -> None:
        encoded, mask = histories
        super().__init__(run, encoded[history_of], mask[history_of], start, prompts)
        self.histories = histories

    def of_histories(self) -> Reader:
        """See :meth:`.readers.BranchReader.of_histories`."""
        return DecoderReader(self.run, *self.histories, self.start)
