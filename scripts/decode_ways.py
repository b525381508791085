"""The ways to a list that the decoding scripts hold side by side: ``generate``'s and ours."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessorList

from p5rec.core.rng import id_keys, tie_order
from p5rec.decode.allowed import Allowed, OpenNodes
from p5rec.decode.beam import beam_search
from p5rec.decode.processor import ItemLogitsProcessor
from p5rec.decode.token_rows import TokenRows
from p5rec.decode.trie import Trie
from p5rec.models.checkpoint import Bundle
from p5rec.models.scorer import code_scorer

LEVELS, BOOK = 4, 256


def random_codes(items: int, drawn: int) -> np.ndarray:
    """``(N, L)`` int32 different codes, out of ``drawn`` draws of which some are equal."""
    rng = np.random.default_rng(0)
    number = rng.permutation(np.unique(rng.integers(0, BOOK**LEVELS, drawn)))[:items]
    return np.stack(np.unravel_index(number, (BOOK,) * LEVELS), axis=1).astype(np.int32)


def generated(
    model: Any, ids: Tensor, beams: int, rows: TokenRows, how: dict[str, Any]
) -> tuple[Tensor, Tensor]:
    """Items ``(B, K)`` and their scores by a transformers model's ``generate``."""
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


def finished() -> None:
    """Waits until a GPU has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def by_function(rows: TokenRows, prompt: int) -> dict[str, Any]:
    """The usual way: a Python function, asked for each beam."""
    trie, tokens = rows.trie, [t.tolist() for t in rows.tokens]
    starts, codes = [s.tolist() for s in trie.starts], [c.tolist() for c in trie.codes]
    place = [{token: code for code, token in enumerate(level)} for level in tokens]

    def allowed(_: int, said: Tensor) -> list[int]:
        node, words = 0, said[prompt:].tolist()
        for level, token in enumerate(words):
            code = place[level][token]
            first, last = starts[level][node], starts[level][node + 1]
            node = first + codes[level][first:last].index(code)
        level = len(words)
        first, last = starts[level][node], starts[level][node + 1]
        return [tokens[level][code] for code in codes[level][first:last]]

    return {"prefix_allowed_tokens_fn": allowed}


def by_processor(rows: TokenRows, prompt: int, end: int, normalisation: str) -> dict[str, Any]:
    """Our tree as a logits processor."""
    processor = ItemLogitsProcessor(rows, prompt, end, normalisation)
    return {"logits_processor": LogitsProcessorList([processor])}


@lru_cache(maxsize=2)
def ranks_of(trie: Trie) -> list[Tensor]:
    """The order of equal scores, made once for all searches."""
    order = torch.from_numpy(tie_order(id_keys(range(len(trie))), 0))
    return trie.smallest_below(order.to(trie.leaf_item.device))


def ours(bundle: Bundle, ids: Tensor, beams: int, allowed: Allowed | None = None) -> Any:
    """Items ``(B, K)`` and their scores by our search."""
    trie, ids = bundle.model.trie, ids.to(bundle.model.device)
    opened = None if allowed is None else OpenNodes(trie, allowed)
    scorer = code_scorer(bundle.model, ids, torch.ones_like(ids))
    k = min(beams, len(trie))
    return beam_search(scorer, trie, max(beams, k), k=k, ranks=ranks_of(trie), open_nodes=opened)
