"""Beam search over items inside ``model.generate`` of any transformers model.

items = TokenSequences.build(item_tokens)
out = model.generate(**prompts, custom_generate=ItemSearch(items), num_beams=20,
                     num_return_sequences=10)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from p5rec.backbones.attention import adds_mask
from p5rec.decode.allowed import Allowed, OpenNodes
from p5rec.decode.beam import beam_search
from p5rec.decode.token_sequences import END, TokenSequences

from .decoder_readers import DecoderReader
from .readers import Reader, TreeReader

if TYPE_CHECKING:
    from transformers.generation.utils import GenerateBeamOutput


class ItemTokenScorer:
    """Log-probabilities of item tokens from a reader's logits; a ``Scorer`` of the beam search."""

    def __init__(self, reader: Reader, sequences: TokenSequences, normalisation: str) -> None:
        self.reader, self.sequences, self.normalisation = reader, sequences, normalisation

    def start(self) -> Tensor:
        """``(B, C_0)``."""
        self.level, logits = 0, self.reader.read()
        self.nodes = torch.zeros(len(logits), 1, dtype=torch.int64, device=logits.device)
        return self._log_probs(logits[:, None])[:, 0]

    def step(self, codes: Tensor, parents: Tensor) -> Tensor:
        """``(B, K, C_l)``."""
        trie = self.sequences.trie
        self.nodes = trie.descend(self.level, self.nodes.gather(1, parents), codes)
        tokens = self.sequences.tokens[self.level][codes]
        logits = self.reader.follow({"input_ids": tokens.clamp(min=0)}, parents)
        self.level += 1
        return self._log_probs(logits)

    def _log_probs(self, logits: Tensor) -> Tensor:
        return self.sequences.log_probs(self.level, self.nodes, logits, self.normalisation)


class ItemSearch:
    """A ``custom_generate`` for ``generate``: exact beam search over items with one prompt pass.

    It uses ``num_beams``, ``num_return_sequences``, ``return_dict_in_generate`` and
    ``output_scores``. All other generation settings are ignored: penalties, sampling, stopping
    rules. The output has the form of ``generate``: prompt and item tokens, padded with the pad
    token. If fewer items are allowed than requested, the remaining sequences are pad tokens.

    Args:
        sequences: the items' tokens.
        normalisation: see ``TokenSequences.log_probs``; ``vocab`` is that of ``generate``.
        allowed: the allowed items of each prompt; None: all.
        tie: ``(N,)`` a permutation that orders items of equal score; None: by index.
    """

    def __init__(
        self,
        sequences: TokenSequences,
        normalisation: str = "vocab",
        allowed: Allowed | None = None,
        tie: Tensor | None = None,
    ) -> None:
        self.sequences, self.normalisation, self.allowed = sequences, normalisation, allowed
        tie = torch.arange(len(sequences.trie)) if tie is None else tie
        self.ranks = sequences.trie.subtree_min(tie)

    def __call__(
        self, model: Any, input_ids: Tensor, generation_config: Any, **inputs: Any
    ) -> Tensor | GenerateBeamOutput:
        """Called by ``generate``, with ``input_ids`` repeated for each beam.

        Raises:
            ValueError: ``num_return_sequences`` exceeds the number of beams.
        """
        from transformers.generation.utils import (
            GenerateBeamDecoderOnlyOutput,
            GenerateBeamEncoderDecoderOutput,
        )

        device = input_ids.device
        beams, k = generation_config.num_beams, generation_config.num_return_sequences
        item_tokens, each = self.sequences.to(device), max(beams, k)
        scorer = ItemTokenScorer(
            self._reader(model, input_ids, inputs, each), item_tokens, self.normalisation
        )
        open_nodes = None if self.allowed is None else OpenNodes(item_tokens.trie, self.allowed)
        items, scores = beam_search(
            scorer,
            item_tokens.trie,
            beams,
            k=k,
            ranks=[level.to(device) for level in self.ranks],
            open_nodes=open_nodes,
        )
        tokens = self._tokens(item_tokens, items)
        filler = generation_config.pad_token_id
        filler = generation_config.eos_token_id if filler is None else filler
        tokens = tokens.masked_fill(tokens == END, filler)
        prompts = input_ids[::each].repeat_interleave(k, dim=0)
        sequences = torch.cat([prompts, tokens.flatten(0, 1)], dim=1)
        if not generation_config.return_dict_in_generate:
            return sequences
        kind = (
            GenerateBeamEncoderDecoderOutput
            if model.config.is_encoder_decoder
            else GenerateBeamDecoderOnlyOutput
        )
        return kind(sequences=sequences, sequences_scores=scores.flatten())

    def items(self, tokens: Tensor) -> Tensor:
        """The items ``(...)`` of generated tokens ``(..., n)``; -1 if they are no item."""
        sequences = self.sequences.to(tokens.device)
        levels = sequences.trie.levels
        padded = pad(tokens[..., :levels], (0, max(0, levels - tokens.shape[-1])), value=END)
        nodes, known = sequences.walk(padded)
        return torch.where(known, sequences.trie.leaf_item[nodes], -1)

    @staticmethod
    def _tokens(sequences: TokenSequences, items: Tensor) -> Tensor:
        """``(B, k)`` items → ``(B, k, L)`` tokens, -1 after the end and for empty entries."""
        leaf = sequences.trie.item_leaf[items.clamp(min=0)]
        columns = []
        for level in range(sequences.trie.levels):
            borders = sequences.trie.leaf_starts[level + 1]
            node = torch.searchsorted(borders, leaf, right=True) - 1
            columns.append(sequences.tokens[level][sequences.trie.codes[level][node]])
        return torch.stack(columns, dim=-1).masked_fill((items < 0)[..., None], END)

    @staticmethod
    def _reader(model: Any, input_ids: Tensor, inputs: dict[str, Any], each: int) -> Reader:
        def run(**named: Any) -> Tensor:
            logits: Tensor = model(**named).logits
            return logits

        mask = inputs.get("attention_mask")
        if model.config.is_encoder_decoder:
            encoded = inputs["encoder_outputs"].last_hidden_state[::each]
            start = int(input_ids[0, -1])
            return DecoderReader(run, encoded, None if mask is None else mask[::each], start)
        ids = input_ids[::each]
        real = torch.ones_like(ids) if mask is None else mask[::each]
        return TreeReader(
            run,
            {"input_ids": ids},
            real.bool(),
            right=mask is None,
            added=adds_mask(model),
        )
