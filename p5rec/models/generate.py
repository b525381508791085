"""The search inside ``model.generate``: any transformers model, causal or encoder-decoder.

rows = TokenRows.build(item_tokens)
out = model.generate(**prompts, custom_generate=ItemSearch(rows), num_beams=20,
                     num_return_sequences=10)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers.generation.utils import (
    GenerateBeamDecoderOnlyOutput,
    GenerateBeamEncoderDecoderOutput,
    GenerateBeamOutput,
)

from p5rec.backbones.attention import adds_mask
from p5rec.decode.allowed import Allowed, OpenNodes
from p5rec.decode.beam import beam_search
from p5rec.decode.token_rows import END, TokenRows

from .readers import DecoderReader, Reader, TreeReader


class TokenRowScorer:
    """What a reader that answers with logits says of token rows; a ``Scorer`` of the search."""

    def __init__(self, reader: Reader, rows: TokenRows, normalisation: str) -> None:
        self.reader, self.rows, self.normalisation = reader, rows, normalisation

    def start(self) -> Tensor:
        """``(B, C_0)``."""
        self.level, logits = 0, self.reader.read()
        self.nodes = torch.zeros(len(logits), 1, dtype=torch.int64, device=logits.device)
        return self._log_probs(logits[:, None])[:, 0]

    def step(self, codes: Tensor, parents: Tensor) -> Tensor:
        """``(B, K, C_l)``."""
        trie = self.rows.trie
        self.nodes = trie.descend(self.level, self.nodes.gather(1, parents), codes)
        tokens = self.rows.tokens[self.level][codes]
        logits = self.reader.follow({"input_ids": tokens.clamp(min=0)}, parents)
        self.level += 1
        return self._log_probs(logits)

    def _log_probs(self, logits: Tensor) -> Tensor:
        return self.rows.log_probs(self.level, self.nodes, logits, self.normalisation)


class ItemSearch:
    """A ``custom_generate`` for ``generate``: exact beam search over items, the prompt read once.

    It heeds ``num_beams``, ``num_return_sequences``, ``return_dict_in_generate`` and
    ``output_scores``, and no other setting: no penalty, no sampling, no stopping rule reaches in.
    The answer is what ``generate`` answers: prompt and item tokens, filled up with the pad token;
    where fewer items are allowed than asked, rows of pad tokens.

    Args:
        rows: the items' tokens.
        normalisation: see ``TokenRows.log_probs``; ``vocab`` is that of ``generate``.
        allowed: the items each prompt may be answered with; None: all.
        tie: ``(N,)`` a permutation that orders equal scores; None: by row.
    """

    def __init__(
        self,
        rows: TokenRows,
        normalisation: str = "vocab",
        allowed: Allowed | None = None,
        tie: Tensor | None = None,
    ) -> None:
        self.rows, self.normalisation, self.allowed = rows, normalisation, allowed
        tie = torch.arange(len(rows.trie)) if tie is None else tie
        self.ranks = rows.trie.smallest_below(tie)

    def __call__(
        self, model: Any, input_ids: Tensor, generation_config: Any, **inputs: Any
    ) -> Tensor | GenerateBeamOutput:
        """What ``generate`` calls; ``input_ids`` come repeated for each beam.

        Raises:
            ValueError: more sequences wanted than beams.
        """
        device = input_ids.device
        beams, k = generation_config.num_beams, generation_config.num_return_sequences
        rows, each = self.rows.to(device), max(beams, k)
        scorer = TokenRowScorer(
            self._reader(model, input_ids, inputs, each), rows, self.normalisation
        )
        opened = None if self.allowed is None else OpenNodes(rows.trie, self.allowed)
        items, scores = beam_search(
            scorer,
            rows.trie,
            beams,
            k=k,
            ranks=[level.to(device) for level in self.ranks],
            open_nodes=opened,
        )
        said = self._tokens(rows, items)
        filler = generation_config.pad_token_id
        filler = generation_config.eos_token_id if filler is None else filler
        said = said.masked_fill(said == END, filler)
        before = input_ids[::each].repeat_interleave(k, dim=0)
        sequences = torch.cat([before, said.flatten(0, 1)], dim=1)
        if not generation_config.return_dict_in_generate:
            return sequences
        kind = (
            GenerateBeamEncoderDecoderOutput
            if model.config.is_encoder_decoder
            else GenerateBeamDecoderOnlyOutput
        )
        return kind(sequences=sequences, sequences_scores=scores.flatten())

    def items(self, said: Tensor) -> Tensor:
        """The item rows ``(...)`` that answers ``(..., n)`` name; -1 for what is no item."""
        rows = self.rows.to(said.device)
        levels = rows.trie.levels
        whole = pad(said[..., :levels], (0, max(0, levels - said.shape[-1])), value=END)
        nodes, known = rows.walk(whole)
        return torch.where(known, rows.trie.leaf_item[nodes], -1)

    @staticmethod
    def _tokens(rows: TokenRows, items: Tensor) -> Tensor:
        """``(B, k)`` items → ``(B, k, L)`` tokens, -1 after the end and for no item."""
        leaf = rows.trie.item_leaf[items.clamp(min=0)]
        columns = []
        for level in range(rows.trie.levels):
            borders = rows.trie.leaf_starts[level + 1]
            node = torch.searchsorted(borders, leaf, right=True) - 1
            columns.append(rows.tokens[level][rows.trie.codes[level][node]])
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
