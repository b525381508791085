"""Prompts → ranked items: the loop that decodes item codes in the item trie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from p5rec.core.rng import keyed
from p5rec.decode.allowed import Allowed, OpenNodes
from p5rec.decode.beam import Cap, Scorer, beam_search
from p5rec.decode.stochastic_beam import GumbelNoise
from p5rec.decode.trie import Trie
from p5rec.models.scorer import code_scorer, prompt_reader
from p5rec.models.titles import title_scorer

from .batching import prompt_batches
from .item_head import rank_by_item_head
from .tables import RankingTables

EXACT_AT = 0.1  # extra work, as a share of the whole, up to which a search is made exact


@torch.inference_mode()
def rank_for_prompts(
    tables: RankingTables,
    prompts: Sequence[np.ndarray],
    k: int,
    allowed: Allowed | None = None,
    requests: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` best items after each of B prompts, or as many as are allowed.

    Args:
        tables: the model and how it is queried.
        prompts: B arrays of token ids.
        k: K.
        allowed: the items that may be recommended to each request; None: all.
        requests: ``(B,)`` uint64 keys, which seed the sampling of a request; None: its number.

    Returns:
        Items ``(B, k)`` int32, -1 where a list ended early; their scores ``(B, k)`` float32,
        log-probabilities.
    """
    if tables.ranks is None:
        return rank_by_item_head(tables, prompts, k, allowed)
    bundle, config, names, trie = tables.bundle, tables.config, tables.names, tables.trie
    device, beams = bundle.model.device, max(config.beams, k)
    scorer: Callable[..., Scorer]
    if names is None:
        scorer = partial(
            code_scorer,
            bundle.model,
            item_head_weight=config.item_head_weight,
            table=tables.vectors,
        )
        beams = beam_width(tables, k)
    else:
        scorer = partial(title_scorer, bundle.model, names)
    items = np.empty((len(prompts), k), dtype=np.int32)
    scores = np.empty((len(prompts), k), dtype=np.float32)
    cap = None if config.per_prefix is None else Cap(config.prefix_depth, config.per_prefix)
    keys = np.arange(len(prompts), dtype=np.uint64) if requests is None else requests
    seeds = keyed(keys, tables.seed, "draws").view(np.int64)
    batches = prompt_batches(
        bundle,
        prompts,
        config.batch_tokens,
        extra=nodes_read(trie, beams),
        desc="rank",
        unit="user",
    )
    for numbers, ids, mask in batches:
        open_nodes = None if allowed is None else OpenNodes(trie, allowed.take(numbers))
        noise = None
        if config.search == "sample":
            noise = GumbelNoise(torch.from_numpy(seeds[numbers]).to(device), trie)
        batch_items, batch_scores = beam_search(
            scorer(reader=prompt_reader(bundle.model, ids, mask)),
            trie,
            beams,
            k=k,
            ranks=tables.ranks,
            open_nodes=open_nodes,
            cap=cap,
            noise=noise,
        )
        items[numbers] = batch_items.cpu().numpy()
        scores[numbers] = batch_scores.cpu().numpy()
    return items, scores


def nodes_read(trie: Trie, beams: int) -> int:
    """The trie nodes that a search evaluates for each request, without the root."""
    return sum(min(beams, nodes) for nodes in trie.inner)


def beam_width(tables: RankingTables, k: int) -> int:
    """The beams of a search for ``k`` items: the configured number, or enough for an exact search.

    ``auto`` makes the search exact where that adds little work, counted in parameters read for a
    history as long as the model's window. So the width does not depend on the other requests.
    """
    trie, config, work = tables.bundle.model.trie, tables.config, tables.work
    beams = max(config.beams, k)
    exact = max([beams, *trie.inner])
    if config.search == "exhaustive":
        return exact
    base = work.prompt + nodes_read(trie, beams) * work.step
    extra = (nodes_read(trie, exact) - nodes_read(trie, beams)) * work.step
    return exact if config.search == "auto" and extra <= EXACT_AT * base else beams
