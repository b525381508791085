"""Prompts → lists of different titles, written by a language model.

B prompts, N titles.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from p5rec.decode.allowed import Allowed
from p5rec.decode.distinct_lists import distinct_lists
from p5rec.decode.token_tree import TokenTree
from p5rec.models.language import WithLanguageModel
from p5rec.models.scorer import prompt_reader
from p5rec.models.title_lines import LineScorer

from .batching import prompt_batches


@dataclass(frozen=True, eq=False)
class WrittenLists:
    """B lists of at most k titles, and their cost.

    Attributes:
        items: ``(B, k)`` int64 rows of the titles, in the order of writing; -1 after the end of a
            shorter list.
        scores: ``(B, k)`` float32, the log-probability of each title after the earlier ones, among
            the titles that are still possible; -inf after the end.
        prompt_tokens, new_tokens: ``(B,)`` int64, tokens read and written.
        seconds: ``(B,)``, each list's share in the time of its batch.
    """

    items: np.ndarray
    scores: np.ndarray
    prompt_tokens: np.ndarray
    new_tokens: np.ndarray
    seconds: np.ndarray


@torch.inference_mode()
def write_lists(
    opened: WithLanguageModel,
    prompts: Sequence[np.ndarray],
    titles: TokenTree,
    k: int,
    allowed: Allowed,
    *,
    beams: int = 1,
    batch_tokens: int,
) -> WrittenLists:
    """A list of ``min(k, allowed titles)`` different titles after each of B prompts.

    A list does not depend on the other prompts.

    Args:
        opened: the model, in eval mode, and its vocabulary.
        prompts: B arrays of token ids.
        titles: see :func:`p5rec.models.title_lines.title_lines`.
        k: most titles of a list.
        allowed: the titles of each prompt.
        beams: lists that are compared at each step; 1 is greedy decoding.
        batch_tokens: most prompt tokens of a batch, padding included.
    """
    titles, count = titles.to(opened.model.device), len(prompts)
    out = WrittenLists(
        items=np.full((count, k), -1, dtype=np.int64),
        scores=np.full((count, k), -np.inf, dtype=np.float32),
        prompt_tokens=np.array([len(prompt) for prompt in prompts], dtype=np.int64),
        new_tokens=np.zeros(count, dtype=np.int64),
        seconds=np.zeros(count),
    )
    batches = prompt_batches(opened, prompts, batch_tokens, desc="write", unit="list")
    for numbers, ids, mask in batches:
        started = time.perf_counter()
        scorer = LineScorer(opened.model, prompt_reader(opened.model, ids, mask))
        own = allowed.take(numbers)
        lists = distinct_lists(scorer, titles, k, len(numbers), own, beams=beams)
        out.items[numbers] = lists.items.cpu().numpy()
        out.scores[numbers] = lists.scores.cpu().numpy()
        out.new_tokens[numbers] = lists.tokens.cpu().numpy()
        out.seconds[numbers] = (time.perf_counter() - started) / len(numbers)
    return out
