"""Prompts → ranked items: the loop that decodes item codes in the item trie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from p5rec.core.rng import keyed
from p5rec.decode.allowed import Allowed, OpenNodes
from p5rec.decode.beam import Cap, Scorer, beam_search
from p5rec.decode.stochastic_beam import GumbelNoise
from p5rec.decode.trie import Trie
from p5rec.models.readers import Reader
from p5rec.models.scorer import code_scorer, prompt_reader
from p5rec.models.titles import title_scorer

from .batching import prompt_batches
from .ranking import rank
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
    items = np.empty((len(prompts), k), dtype=np.int32)
    scores = np.empty((len(prompts), k), dtype=np.float32)
    keys = np.arange(len(prompts), dtype=np.uint64) if requests is None else requests
    searched = tables.ranks is not None
    extra = nodes_read(tables.trie, search_width(tables, k)) if searched else 0
    batches = prompt_batches(
        tables.bundle,
        prompts,
        tables.config.batch_tokens,
        extra=extra,
        most=None if searched else tables.most,
        desc="rank",
        unit="user",
    )
    for numbers, ids, mask in batches:
        reader = prompt_reader(tables.bundle.model, ids, mask)
        own = None if allowed is None else allowed.take(numbers)
        items[numbers], scores[numbers] = rank_after(tables, reader, k, own, keys[numbers])
    return items, scores


def rank_after(
    tables: RankingTables,
    reader: Reader,
    k: int,
    allowed: Allowed | None,
    requests: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`rank_for_prompts`, after the prompts of ``reader``, whose outputs are states."""
    bundle, config, trie = tables.bundle, tables.config, tables.trie
    if tables.ranks is None:
        logs = bundle.model.item_logs(reader.read(keep=False), tables.vectors).cpu().numpy()
        if allowed is not None:
            logs[~allowed.mask(*logs.shape)] = -np.inf
        return rank(logs, k, tables.tie)
    scorer: Scorer
    if tables.names is None:
        scorer = code_scorer(bundle.model, reader, config.item_head_weight, tables.vectors)
    else:
        scorer = title_scorer(bundle.model, tables.names, reader)
    noise = None
    if config.search == "sample":
        seeds = keyed(requests, tables.seed, "draws").view(np.int64)
        noise = GumbelNoise(torch.from_numpy(seeds).to(bundle.model.device), trie)
    items, scores = beam_search(
        scorer,
        trie,
        search_width(tables, k),
        k=k,
        ranks=tables.ranks,
        open_nodes=None if allowed is None else OpenNodes(trie, allowed),
        cap=None if config.per_prefix is None else Cap(config.prefix_depth, config.per_prefix),
        noise=noise,
    )
    return items.cpu().numpy().astype(np.int32), scores.cpu().numpy()


def search_width(tables: RankingTables, k: int) -> int:
    """The beams of a search for ``k`` items."""
    return beam_width(tables, k) if tables.names is None else max(tables.config.beams, k)


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
