"""The decoders that the decoding scripts compare: ``generate`` and our beam search."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessorList

from p5rec.backbones.merge import merge
from p5rec.core.rng import id_keys, tie_order
from p5rec.decode.allowed import Allowed, OpenNodes
from p5rec.decode.beam import beam_search
from p5rec.decode.processor import ItemLogitsProcessor
from p5rec.decode.token_sequences import TokenSequences
from p5rec.decode.trie import Trie
from p5rec.models.bundle import Bundle
from p5rec.models.scorer import code_scorer, prompt_reader

LEVELS, BOOK = 4, 256


def random_codes(items: int, drawn: int) -> np.ndarray:
    """``(N, L)`` int32 distinct codes, from ``drawn`` draws with repeats."""
    rng = np.random.default_rng(0)
    number = rng.permutation(np.unique(rng.integers(0, BOOK**LEVELS, drawn)))[:items]
    return np.stack(np.unravel_index(number, (BOOK,) * LEVELS), axis=1).astype(np.int32)


def generator(bundle: Bundle) -> Any:
    """The language model as a model of transformers, which has ``generate``."""
    causal = bundle.model.causal
    return causal if hasattr(causal, "generate") else merge(copy.deepcopy(causal))


def generated(
    model: Any, ids: Tensor, beams: int, rows: TokenSequences, how: dict[str, Any]
) -> tuple[Tensor, Tensor]:
    """Items ``(B, K)`` and their scores of a transformers model's ``generate``."""
    ids = ids.to(model.device)
    out = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        num_beams=beams,
        num_return_sequences=beams,
        max_new_tokens=rows.trie.levels,
        length_penalty=0.0,
        return_dict_in_generate=True,
        output_scores=True,
        use_cache=True,
        **how,
    )
    nodes, _ = rows.walk(out.sequences[:, -rows.trie.levels :].to(rows.trie.leaf_item.device))
    items = rows.trie.leaf_item[nodes].view(len(ids), beams)
    return items, out.sequences_scores.view(len(ids), beams)


def synchronise() -> None:
    """Waits until a GPU has finished its work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def by_function(rows: TokenSequences, prompt: int) -> dict[str, Any]:
    """Arguments of ``generate`` for a Python function that is called for each beam."""
    trie, tokens = rows.trie, [t.tolist() for t in rows.tokens]
    starts, codes = [s.tolist() for s in trie.starts], [c.tolist() for c in trie.codes]
    place = [{token: code for code, token in enumerate(level)} for level in tokens]

    def allowed(_: int, generated_ids: Tensor) -> list[int]:
        node, words = 0, generated_ids[prompt:].tolist()
        for level, token in enumerate(words):
            code = place[level][token]
            first, last = starts[level][node], starts[level][node + 1]
            node = first + codes[level][first:last].index(code)
        level = len(words)
        first, last = starts[level][node], starts[level][node + 1]
        return [tokens[level][code] for code in codes[level][first:last]]

    return {"prefix_allowed_tokens_fn": allowed}


def by_processor(rows: TokenSequences, prompt: int, end: int, normalisation: str) -> dict[str, Any]:
    """Arguments of ``generate`` for our trie as a logits processor."""
    processor = ItemLogitsProcessor(rows, prompt, end, normalisation)
    return {"logits_processor": LogitsProcessorList([processor])}


@lru_cache(maxsize=2)
def ranks_of(trie: Trie) -> list[Tensor]:
    """The order of equal scores, computed once for all searches."""
    order = torch.from_numpy(tie_order(id_keys(range(len(trie))), 0))
    return trie.subtree_min(order.to(trie.leaf_item.device))


def ours(bundle: Bundle, ids: Tensor, beams: int, allowed: Allowed | None = None) -> Any:
    """Items ``(B, K)`` and their scores of our beam search."""
    trie, ids = bundle.model.trie, ids.to(bundle.model.device)
    opened = None if allowed is None else OpenNodes(trie, allowed)
    scorer = code_scorer(bundle.model, prompt_reader(bundle.model, ids, torch.ones_like(ids)))
    k = min(beams, len(trie))
    return beam_search(scorer, trie, max(beams, k), k=k, ranks=ranks_of(trie), open_nodes=opened)
