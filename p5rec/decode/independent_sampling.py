"""Samples items independently, with the probabilities of the model.

B requests, G samples per request, F the largest fan-out of a level.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .allowed import OpenNodes
from .beam import Scorer
from .stochastic_beam import gumbel
from .trie import Trie


@torch.no_grad()
def sample_independently(
    scorer: Scorer, trie: Trie, seeds: Tensor, open_nodes: OpenNodes
) -> Tensor:
    """``(B, G)`` independent samples of items per request, code by code.

    Args:
        scorer: the model.
        trie: the item tree, on the scorer's device.
        seeds: ``(B, G)`` int64; each sample depends on its own seed alone.
        open_nodes: nodes with allowed items.

    Returns:
        Item row numbers; -1 for a request without allowed items.
    """
    nodes, parents = torch.zeros_like(seeds), torch.zeros_like(seeds)
    log_probs, start = scorer.start()[:, None].expand(-1, seeds.shape[1], -1), 0
    for level in range(trie.levels):
        child, exists = trie.children(level, nodes)
        exists &= open_nodes(level + 1, child.flatten(1)).view_as(child)
        gain = log_probs.gather(2, trie.codes[level][child]).masked_fill(~exists, -torch.inf)
        noise = gumbel(seeds[..., None], child + start)
        nodes = child.gather(2, (gain + noise).argmax(2, keepdim=True))[..., 0]
        if level == 0:
            possible = exists.any(2)
        if level + 1 < trie.levels:
            log_probs = scorer.step(trie.codes[level][nodes], parents)
        parents = torch.arange(seeds.shape[1], device=seeds.device).expand_as(seeds)
        start += len(trie.codes[level])
    return torch.where(possible, trie.leaf_item[nodes], -1)
