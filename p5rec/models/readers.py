"""Language models as a search reads them: the prompt once, then many continuations side by side.

B requests, T tokens of a prompt, K beams, X whatever the model answers a token with: a hidden
state or logits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

# of prompts read at a time on a CPU: what lies between two layers then stays in its caches
CACHED_TOKENS = 512  # a thread
READ_ANEW = 2**14  # tokens at a time of lines that are read from their beginning
WORTH_SHARING = 16  # tokens that all prompts begin with, from which they are read once for all


class Reader(Protocol):
    """Reads prompts once and continuations of them token by token."""

    def read(self, *, keep: bool = True) -> Tensor:
        """``(B, X)``: the answer after each prompt.

        Args:
            keep: what :meth:`follow` needs.
        """
        ...

    def follow(self, inputs: dict[str, Tensor], parents: Tensor) -> Tensor:
        """The answers after one more token of each beam.

        Args:
            inputs: ``input_ids`` ``(B, K)`` or ``inputs_embeds`` ``(B, K, D)``.
            parents: ``(B, K)``, which beam of the call before each one extends.

        Returns:
            ``(B, K, X)``.
        """
        ...


class TreeReader:
    """A causal model whose beams are extra tokens of one row.

    Each beam sees its prompt and its own ancestors through a tree mask and stands at its own
    position (as in SpecInfer, Miao et al. 2024, arXiv 2305.09781, section 4.2), so neither the
    prompt nor what the model keeps of it is ever copied to the beams.

    Args:
        run: the model: keyword arguments of a transformers decoder → ``(B, T, X)``.
        prompt: its first inputs, ``(B, T)`` ids or ``(B, T, D)`` embeddings by name. What all
            of them begin with is read once for all.
        mask: ``(B, T)`` bool, real tokens.
        right: all that pads stands on the right: causality hides it from the prompts.
        added: the model's attention adds its mask to the scores; else it is bool.
    """

    def __init__(
        self,
        run: Callable[..., Tensor],
        prompt: dict[str, Tensor],
        mask: Tensor,
        *,
        right: bool,
        added: bool,
    ) -> None:
        self.run, self.prompt, self.mask, self.right = run, prompt, mask, right
        self.lengths = mask.sum(1)
        self.added = added

    def read(self, *, keep: bool = True) -> Tensor:
        """See :class:`Reader`."""
        self.depth, self.ancestors = 0, self.mask.new_zeros(len(self.mask), 1, 0)
        rows, length = self.mask.shape
        preface = self._preface(keep)
        at_once = max(1, CACHED_TOKENS * torch.get_num_threads() // length)
        at_once = at_once if self.mask.device.type == "cpu" else rows
        parts = [
            self._prefill(slice(first, first + at_once), keep, preface)
            for first in range(0, rows, at_once)
        ]
        caches = [cache for _, cache in parts]
        self.cache = _joined(caches) if keep and len(caches) > 1 else caches[0]
        return torch.cat([answers for answers, _ in parts])

    def _preface(self, keep: bool) -> Any:
        """What the model keeps of the tokens that all prompts begin with; None: too few."""
        if not (keep and self.right and len(self.mask) > 1):
            return None
        (prompt,) = self.prompt.values()
        same = (prompt == prompt[:1]).view(*self.mask.shape, -1).all(2) & self.mask
        shared = int(same.all(0).long().cumprod(0).sum())
        shared = min(shared, int(self.lengths.min()) - 1)  # the last token answers
        if shared < WORTH_SHARING:
            return None
        cache = DynamicCache()
        once = {name: value[:1, :shared] for name, value in self.prompt.items()}
        self.run(**once, attention_mask=None, past_key_values=cache, use_cache=True)
        return cache

    def _prefill(self, rows: slice, keep: bool, preface: Any) -> tuple[Tensor, Any]:
        """``(n, X)``: the answers after some prompts, and what the model keeps of them."""
        mask, cache, done = self.mask[rows], DynamicCache() if keep else None, 0
        if preface is not None:
            done = preface.get_seq_length()
            cache = _joined([preface] * len(mask))
        hidden: dict[str, Any] = {"attention_mask": None}
        if not self.right:
            positions = (mask.cumsum(1) - 1).clamp(min=0)
            hidden = {"attention_mask": mask.long(), "position_ids": positions}
        prompts = {name: value[rows, done:] for name, value in self.prompt.items()}
        answers = self.run(**prompts, **hidden, past_key_values=cache, use_cache=keep)
        self.dtype = answers.dtype
        last = (torch.arange(mask.shape[1], device=mask.device) * mask).argmax(1) - done
        return answers[torch.arange(len(answers), device=answers.device), last], cache

    def follow(self, inputs: dict[str, Tensor], parents: Tensor) -> Tensor:
        """See :class:`Reader`."""
        batch, beams = parents.shape
        own = torch.eye(beams, dtype=torch.bool, device=parents.device).expand(batch, -1, -1)
        line = parents[..., None].expand(-1, -1, self.ancestors.shape[2])
        self.ancestors = torch.cat([self.ancestors.gather(1, line), own], dim=2)
        visible = torch.cat([self.mask[:, None].expand(-1, beams, -1), self.ancestors], dim=2)
        answers = self.run(
            **inputs,
            attention_mask=self._as_mask(visible[:, None]),
            position_ids=(self.lengths + self.depth)[:, None].expand(batch, beams),
            past_key_values=self.cache,
            use_cache=True,
        )
        self.depth += 1
        return answers

    def _as_mask(self, visible: Tensor) -> Tensor:
        if not self.added:
            return visible
        hidden_by = torch.finfo(self.dtype).min
        return torch.zeros_like(visible, dtype=self.dtype).masked_fill(~visible, hidden_by)


def _joined(caches: list[Any]) -> Any:
    """What a model keeps of some prompts, and of others, as of all together: a copy."""
    joined = DynamicCache()
    for layer, each in enumerate(zip(*(cache.layers for cache in caches), strict=True)):
        keys, values = (torch.cat([getattr(c, n) for c in each]) for n in ("keys", "values"))
        joined.update(keys, values, layer)
    return joined


class Rereader:
    """A network that keeps nothing of what it read: each continuation is read with its prompt anew.

    Args:
        run: the model: ``inputs_embeds (B, T, D)`` → ``(B, T, X)``; what comes later is hidden.
        embed: token ids ``(B, K)`` → ``(B, K, D)``.
        prompt: ``(B, T, D)``, padded on the right.
        mask: ``(B, T)`` bool, real tokens.
    """

    def __init__(
        self,
        run: Callable[..., Tensor],
        embed: Callable[[Tensor], Tensor],
        prompt: Tensor,
        mask: Tensor,
    ) -> None:
        self.run, self.embed, self.prompt, self.lengths = run, embed, prompt, mask.sum(1)

    def read(self, *, keep: bool = True) -> Tensor:
        """See :class:`Reader`."""
        batch, _, width = self.prompt.shape
        self.paths = self.prompt.new_zeros(batch, 1, 0, width)
        return self._last(self.prompt, self.lengths)

    def follow(self, inputs: dict[str, Tensor], parents: Tensor) -> Tensor:
        """See :class:`Reader`."""
        rows = (
            inputs["inputs_embeds"] if "inputs_embeds" in inputs else self.embed(*inputs.values())
        )
        before = parents[..., None, None].expand(-1, -1, *self.paths.shape[2:])
        self.paths = torch.cat([self.paths.gather(1, before), rows[:, :, None]], dim=2)
        batch, beams, depth, width = self.paths.shape
        lines = pad(self.prompt, (0, 0, 0, depth)).repeat_interleave(beams, 0)
        lengths = self.lengths.repeat_interleave(beams)
        place = lengths[:, None] + torch.arange(depth, device=lengths.device)
        place = place[..., None].expand(-1, -1, width)
        lines = lines.scatter(1, place, self.paths.flatten(0, 1))
        return self._last(lines, lengths + depth).unflatten(0, (batch, beams))

    def _last(self, lines: Tensor, lengths: Tensor) -> Tensor:
        """The answers ``(n, X)`` at the ends of ``lines (n, T, D)``, some lines at a time."""
        at_once = max(1, READ_ANEW // lines.shape[1])
        answers = torch.cat([
            self.run(inputs_embeds=part)[torch.arange(len(part), device=part.device), ends - 1]
            for part, ends in zip(lines.split(at_once), lengths.split(at_once), strict=True)
        ])  # fmt: skip
        self.dtype = answers.dtype
        return answers


class DecoderReader:
    """An encoder-decoder model: the encoder is run once a prompt, the beams are decoder rows.

    Args:
        run: the model: keyword arguments of a transformers encoder-decoder → ``(B, T, X)``.
        encoded: ``(B, T, D)``, what the encoder made of the prompts.
        mask: ``(B, T)``, real tokens of the prompts; None: all.
        start: the token that opens every answer.
    """

    def __init__(
        self, run: Callable[..., Tensor], encoded: Tensor, mask: Tensor | None, start: int
    ) -> None:
        self.run, self.encoded, self.mask, self.start = run, encoded, mask, start

    def read(self, *, keep: bool = True) -> Tensor:
        """See :class:`Reader`."""
        self.cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        self.of_rows = self.encoded, self.mask
        begin = torch.full((len(self.encoded), 1), self.start, device=self.encoded.device)
        return self._run({"decoder_input_ids": begin})

    def follow(self, inputs: dict[str, Tensor], parents: Tensor) -> Tensor:
        """See :class:`Reader`."""
        batch, beams = parents.shape
        encoded, mask = self.of_rows
        before = len(encoded) // batch
        first = torch.arange(batch, device=parents.device)[:, None] * before
        taken = (first + parents).flatten()
        self.cache.self_attention_cache.batch_select_indices(taken)
        if beams != before:  # else each beam still reads the prompt that it read before
            self.cache.cross_attention_cache.batch_select_indices(taken)
            self.of_rows = encoded[taken], None if mask is None else mask[taken]
        named = {f"decoder_{name}": value.flatten(0, 1)[:, None] for name, value in inputs.items()}
        return self._run(named).unflatten(0, (batch, beams))

    def _run(self, inputs: dict[str, Tensor]) -> Tensor:
        encoded, mask = self.of_rows
        answers = self.run(
            **inputs,
            encoder_outputs=BaseModelOutput(last_hidden_state=encoded),
            attention_mask=mask,
            past_key_values=self.cache,
            use_cache=True,
        )[:, -1]
        self.dtype = answers.dtype
        return answers
