"""Log-probabilities of a small set of texts after each prompt, relative to one another.

A text is read up to the token that tells it from the others, so few tokens are read. B prompts, R
texts; at depth d, K beginnings that several texts share, and C tokens that follow one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .language import LanguageModel
from .readers import Reader

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, eq=False)
class _Depth:
    """The shared beginnings of one length.

    Attributes:
        parents: ``(K,)`` the beginning that each one extends by a token, at the depth before.
        last: ``(K,)`` that token.
        tokens: ``(C,)`` token ids.
        follows: ``(K, C)`` bool: the tokens that follow each beginning.
        rows: ``(n,)`` the texts that have one of these beginnings.
        node, token: ``(n,)`` their beginning, and which of the C tokens follows it.
    """

    parents: Tensor
    last: Tensor
    tokens: Tensor
    follows: Tensor
    rows: Tensor
    node: Tensor
    token: Tensor


class SiblingTexts:
    """R different texts.

    Args:
        tokenizer: of the model.
        texts: the texts.
        device: of the model.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], device: torch.device
    ) -> None:
        tokens = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        rows = [(*ids, tokenizer.eos_token_id) for ids in tokens]
        self.count, self.depths = len(rows), list[_Depth]()
        shared: dict[tuple[int, ...], list[int]] = {(): [*range(len(rows))]}
        before: dict[tuple[int, ...], int] = {(): 0}
        while shared:
            depth = len(next(iter(shared)))
            self.depths.append(_depth(rows, shared, before, device))
            before = {prefix: n for n, prefix in enumerate(shared)}
            longer: dict[tuple[int, ...], list[int]] = {}
            for prefix, own in shared.items():
                for row in own:
                    longer.setdefault((*prefix, rows[row][depth]), []).append(row)
            shared = {prefix: own for prefix, own in longer.items() if len(own) > 1}

    @property
    def read(self) -> int:
        """The tokens that are read after a prompt."""
        return sum(len(depth.last) for depth in self.depths[1:])

    def logs(self, model: LanguageModel, reader: Reader) -> Tensor:
        """``(B, R)`` float32 log-probabilities; the probabilities of a prompt's texts sum to 1.

        Args:
            model: in eval mode.
            reader: of the prompts' hidden states.
        """
        head = model.causal.get_output_embeddings()
        states = reader.read()[:, None]  # kept even if nothing follows: prompts share a beginning
        total = torch.zeros(len(states), self.count, device=states.device)
        for number, depth in enumerate(self.depths):
            if number:
                shape = len(states), len(depth.last)
                ids, parents = depth.last.expand(shape), depth.parents.expand(shape)
                states = reader.follow({"input_ids": ids}, parents)
            logits = head(states).float()[..., depth.tokens]
            logs = logits.masked_fill(~depth.follows, -torch.inf).log_softmax(-1)
            total[:, depth.rows] += logs[:, depth.node, depth.token]
        return total


def _depth(
    rows: Sequence[tuple[int, ...]],
    shared: dict[tuple[int, ...], list[int]],
    before: dict[tuple[int, ...], int],
    device: torch.device,
) -> _Depth:
    """The depth of the beginnings ``shared``; those of the depth before are in ``before``."""
    at = len(next(iter(shared)))
    entries = [
        (row, node, rows[row][at]) for node, own in enumerate(shared.values()) for row in own
    ]
    tokens = sorted({token for _, _, token in entries})
    follows = torch.zeros(len(shared), len(tokens), dtype=torch.bool)
    for _, node, token in entries:
        follows[node, tokens.index(token)] = True
    links = [(before[prefix[:-1]], prefix[-1]) if at else (0, 0) for prefix in shared]
    parents, last = torch.tensor(links, device=device).T
    row, node, token = torch.tensor(
        [(row, node, tokens.index(token)) for row, node, token in entries], device=device
    ).T
    known = torch.tensor(tokens, device=device)
    return _Depth(parents, last, known, follows.to(device), row, node, token)
