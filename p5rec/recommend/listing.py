"""Prompts → ranked items: the one loop in which a model walks the item tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from p5rec.core.rng import keyed
from p5rec.decode.allowed import Allowed, OpenNodes
from p5rec.decode.beam import Cap, Scorer, beam_search
from p5rec.decode.sampling import Draws
from p5rec.decode.trie import Trie
from p5rec.models.scorer import code_scorer
from p5rec.models.titles import name_scorer

from .batching import prompt_batches
from .tables import RankingTables
from .whole import rank_whole

EXACT_AT = 0.1  # the more work, as a share of all, for which a search is made exact


@torch.inference_mode()
def rank_prompts(
    tables: RankingTables,
    prompts: Sequence[np.ndarray],
    k: int,
    allowed: Allowed | None = None,
    requests: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` best items after each of B prompts, or as many as are allowed.

    Args:
        tables: the model and how it is asked.
        prompts: B arrays of token ids.
        k: K.
        allowed: the items each may be given; None: all.
        requests: ``(B,)`` uint64, what a request's draws hang on; None: its number.

    Returns:
        Items ``(B, k)`` int32, -1 where a list ended early; their scores ``(B, k)`` float32,
        log-probabilities.
    """
    if tables.ranks is None:
        return rank_whole(tables, prompts, k, allowed)
    bundle, config, names, trie = tables.bundle, tables.config, tables.names, tables.trie
    device, wide = bundle.model.device, max(config.beams, k)
    scorer: Callable[..., Scorer]
    if names is None:
        scorer = partial(
            code_scorer,
            bundle.model,
            item_head_weight=config.item_head_weight,
            table=tables.vectors,
        )
        wide = width(tables, k)
    else:
        scorer = partial(name_scorer, bundle.model, names)
    items = np.empty((len(prompts), k), dtype=np.int32)
    scores = np.empty((len(prompts), k), dtype=np.float32)
    cap = None if config.per_prefix is None else Cap(config.prefix_depth, config.per_prefix)
    keys = np.arange(len(prompts), dtype=np.uint64) if requests is None else requests
    seeds = keyed(keys, tables.seed, "draws").view(np.int64)
    batches = prompt_batches(
        bundle,
        prompts,
        config.batch_tokens,
        extra=nodes_read(trie, wide),
        desc="rank",
        unit="user",
    )
    for rows, ids, mask in batches:
        opened = None if allowed is None else OpenNodes(trie, allowed.take(rows))
        drawn = config.search == "sample"
        found, gained = beam_search(
            scorer(ids, mask),
            trie,
            wide,
            k=k,
            ranks=tables.ranks,
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


def width(tables: RankingTables, k: int) -> int:
    """The beams of a search for ``k`` items: as many as asked, or as many as make it exact.

    ``auto`` makes it exact where that adds little to the work, counted in parameters read for a
    history as long as the model's window: whom else is asked about changes nothing.
    """
    trie, config, work = tables.bundle.model.trie, tables.config, tables.work
    beams = max(config.beams, k)
    exact = max([beams, *trie.inner])
    if config.search == "exhaustive":
        return exact
    asked = work.prompt + nodes_read(trie, beams) * work.step
    more = (nodes_read(trie, exact) - nodes_read(trie, beams)) * work.step
    return exact if config.search == "auto" and more <= EXACT_AT * asked else beams
