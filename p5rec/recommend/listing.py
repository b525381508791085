"""Prompts → ranked items: the one loop in which a model walks the item tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from p5rec.core.rng import keyed, tie_order
from p5rec.decode.allowed import Allowed, OpenNodes
from p5rec.decode.beam import Cap, Scorer, beam_search
from p5rec.decode.sampling import Draws
from p5rec.decode.token_rows import TokenRows
from p5rec.decode.trie import Trie
from p5rec.models.checkpoint import Bundle
from p5rec.models.scorer import code_scorer
from p5rec.models.titles import name_scorer

from .batching import prompt_batches
from .config import DecodeConfig
from .whole import rank_whole

EXACT_AT = 0.1  # the more work, as a share of all, for which a search is made exact


@torch.inference_mode()
def rank_prompts(
    bundle: Bundle,
    prompts: Sequence[np.ndarray],
    config: DecodeConfig,
    seed: int,
    allowed: Allowed | None = None,
    requests: np.ndarray | None = None,
    names: TokenRows | None = None,
    more: Callable[[np.ndarray], np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The ``config.k`` best items after each of B prompts, or as many as are allowed.

    Args:
        bundle: ready to answer.
        prompts: B arrays of token ids.
        seed: of the tie order, and of what is drawn.
        allowed: the items each may be given; None: all.
        requests: ``(B,)`` uint64, what a request's draws hang on; None: its number.
        names: of the items, where the model answers in words; None: it answers in codes.
        more: requests ``(n,)``, by number → ``(n, N)`` what is added to the log-probabilities of
            whole items (see :class:`~p5rec.models.scorer.CodeScorer`); None: nothing.

    Returns:
        Items ``(B, k)`` int32, -1 where a list ended early; their scores ``(B, k)`` float32,
        log-probabilities where nothing is added.
    """
    if config.search == "items":
        return rank_whole(bundle, prompts, config, seed, allowed, more)
    device = bundle.model.device
    scorer: Callable[..., Scorer] = partial(
        code_scorer, bundle.model, item_weight=config.item_weight
    )
    trie, beams = bundle.model.trie, width(bundle, config)
    if names is not None:
        names = names.to(device)
        scorer = partial(name_scorer, bundle.model, names)
        trie, beams = names.trie, config.beams
    ranks = trie.smallest_below(torch.from_numpy(tie_order(bundle.item_keys, seed)).to(device))
    items = np.empty((len(prompts), config.k), dtype=np.int32)
    scores = np.empty((len(prompts), config.k), dtype=np.float32)
    cap = None if config.per_prefix is None else Cap(config.prefix_depth, config.per_prefix)
    keys = np.arange(len(prompts), dtype=np.uint64) if requests is None else requests
    seeds = keyed(keys, seed, "draws").view(np.int64)
    batches = prompt_batches(
        bundle,
        prompts,
        config.batch_tokens,
        extra=nodes_read(trie, beams),
        desc="rank",
        unit="user",
    )
    for rows, ids, mask in batches:
        opened = None if allowed is None else OpenNodes(trie, allowed.take(rows))
        drawn = config.search == "sample"
        given = {} if more is None else {"more": torch.from_numpy(more(rows)).to(device)}
        found, gained = beam_search(
            scorer(ids, mask, **given),
            trie,
            beams,
            k=config.k,
            ranks=ranks,
            open_nodes=opened,
            cap=cap,
            draws=Draws(torch.from_numpy(seeds[rows]).to(device), trie) if drawn else None,
        )
        items[rows] = found.cpu().numpy()
        scores[rows] = gained.cpu().numpy()
    return items, scores


def nodes_read(trie: Trie, beams: int) -> int:
    """How many nodes of the tree a search reads for each request, the root left out."""
    return sum(min(beams, nodes) for nodes in trie.inner)


def width(bundle: Bundle, config: DecodeConfig) -> int:
    """The beams of a search: as many as asked, or as many as make it exact.

    ``auto`` makes it exact where that adds little to the work, counted in parameters read for a
    history as long as the model's window: whom else is asked about changes nothing.
    """
    trie, model = bundle.model.trie, bundle.model
    exact = max([config.beams, *trie.inner])
    if config.search == "exhaustive":
        return exact
    step = sum(p.numel() for p in model.decoder.parameters())
    reads = model.causal.get_encoder() if model.seq2seq else model.decoder
    reader = sum(p.numel() for p in reads.parameters())
    head, prompt = model.code_head, bundle.settings.window
    if head is None:
        prompt = prompt * trie.levels
    else:
        step = sum(p.numel() for p in head.parameters())
    asked = prompt * reader + nodes_read(trie, config.beams) * step
    more = (nodes_read(trie, exact) - nodes_read(trie, config.beams)) * step
    return exact if config.search == "auto" and more <= EXACT_AT * asked else config.beams
