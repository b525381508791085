"""Reference implementations of constrained decoding: full scoring of every item.

The oracles share no step with the beam search: no trie, no cached prefix, no pruning.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from p5rec.decode.beam import padded
from p5rec.models.multitask import MultitaskModel


def score_codes(
    model: MultitaskModel, input_ids: Tensor, attention_mask: Tensor, catalogue: Tensor
) -> Tensor:
    """The log-probability ``(B, N)`` of every item, without cache, trie and search.

    Args:
        catalogue: ``(N, L)`` the codes of all items.
    """
    n_items, levels = catalogue.shape
    tokens = catalogue + catalogue.new_tensor(model.starts)
    item = torch.arange(n_items, device=catalogue.device)
    scores = []
    for ids, mask in zip(input_ids, attention_mask, strict=True):
        prompt, encoder = ids[mask.bool()][None], {}
        if model.seq2seq:
            encoded, real = model.encode(prompt, torch.ones_like(prompt))
            encoder = {"encoded": encoded.expand(n_items, -1, -1), "real": real.expand(n_items, -1)}
            prompt = torch.full_like(prompt[:, :1], model.start)
        embedded, at = model.embed(torch.cat([prompt.expand(n_items, -1), tokens], dim=1))
        hidden = model.states(**encoder, inputs_embeds=embedded)
        before = int(at.token_positions[0, prompt.shape[1]]) - 1
        total = hidden.new_zeros(n_items, dtype=torch.float32)
        for level in range(levels):
            if model.code_head is None:
                state = hidden[:, before + level]
            elif level:
                prefix = [model.code_embeddings(up)[catalogue[:, up]] for up in range(level)]
                state = model.code_head(hidden[:, before], torch.stack(prefix).sum(0))
            else:
                state = hidden[:, before]
            logits = model.code_logits(state, level)
            # (N, N): items with the same prefix, each representing its next code
            siblings = (catalogue[None, :, :level] == catalogue[:, None, :level]).all(2)
            logits = logits[:, catalogue[:, level]]
            if model.tied and level == levels - 1:
                logits = -catalogue[None, :, level].float().expand(n_items, -1)
            if level == levels - 1 and model.item_embedding_in_last_code:
                assert model.item_embeddings is not None
                logits = logits + state.float() @ model.item_embeddings.float().T
            first = (catalogue[:, : level + 1, None] == catalogue.T[None, : level + 1]).all(1)
            unique = first.float().argmax(1) == item  # each next code once
            logs = logits.masked_fill(~(siblings & unique), -torch.inf).logsumexp(1)
            total = total + logits[item, item] - logs
        scores.append(total)
    return torch.stack(scores)


@torch.no_grad()
def exhaustive(
    score: Callable[[Tensor], Tensor],
    codes: Tensor,
    *,
    k: int,
    alive: Tensor | None,
    tie: Tensor,
    chunk: int = 256,
) -> tuple[Tensor, Tensor]:
    """The k best items of each request.

    Args:
        score: codes of M items ``(M, L)`` → their scores ``(B, M)``.
        codes: ``(N, L)`` int64.
        k: length of the lists.
        alive: ``(B, N)`` bool, the candidate items of each request; None for all.
        tie: ``(N,)`` a permutation; of equal scores the smaller value comes first.
        chunk: the number of items scored at a time.

    Returns:
        Items ``(B, k)`` int64, best first, -1 after the end of a short list; their scores
        ``(B, k)`` float32, -inf there.
    """
    scores = torch.cat([score(some).float() for some in codes.split(chunk)], dim=1)
    if alive is not None:
        scores = scores.masked_fill(~alive, -torch.inf)
    by_tie = tie.argsort()
    ranked = scores[:, by_tie].sort(dim=1, descending=True, stable=True)
    items = torch.where(ranked.values.isfinite(), by_tie[ranked.indices], -1)
    return padded(items, k, -1), padded(ranked.values, k, -torch.inf)
