"""Incremental decoding: one pass over the prompts, then one step for all beams at a time.

B requests, T tokens of a prompt, K beams, X size of the output at a token: a hidden state or
logits.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from p5rec.backbones.attention import additive

# tokens of prompts per thread and forward pass on a CPU: activations then fit in its caches
CACHED_TOKENS = 512
REREAD_TOKENS = 2**14  # tokens of a forward pass without a key-value cache
MIN_SHARED_TOKENS = 16  # a common prefix of all prompts of this length is computed only once


class Reader(Protocol):
    """Computes the outputs of a model for prompts and, token by token, for their continuations."""

    def read(self, *, keep: bool = True) -> Tensor:
        """``(B, X)``: the output after each prompt.

        Args:
            keep: keep the state that :meth:`follow` needs.
        """
        ...

    def follow(self, inputs: dict[str, Tensor], parents: Tensor) -> Tensor:
        """The outputs after one more token of each beam.

        Args:
            inputs: ``input_ids`` ``(B, K)`` or ``inputs_embeds`` ``(B, K, D)``.
            parents: ``(B, K)``, the beam of the previous call that each beam extends.

        Returns:
            ``(B, K, X)``.
        """
        ...


class Takes(Reader, Protocol):
    """A reader with the key-value cache of each of its prompts."""

    def take(self, rows: Tensor) -> Reader:
        """A reader of some of the prompts, given by ``rows (b,)``, after :meth:`read`."""
        ...


class TreeReader:
    """A causal model in which all beams of a request are extra tokens of one sequence.

    A tree attention mask lets each beam attend to its prompt and its own ancestors only, at its own
    position (as in SpecInfer, Miao et al. 2024, arXiv 2305.09781, section 4.2). The key-value cache
    of the prompt is therefore never copied to the beams.

    Args:
        run: the model: keyword arguments of a transformers decoder → ``(B, T, X)``.
        prompt: the prompts, ``(B, T)`` ids or ``(B, T, D)`` embeddings by name. A common prefix
            of all prompts is computed only once.
        mask: ``(B, T)`` bool, real tokens.
        right: all padding is on the right, where a causal model ignores it.
        added: the model's attention expects an additive mask; else a boolean one.
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
        batch, length = len(self.mask), next(iter(self.prompt.values())).shape[1]
        shared = self._shared_prefix(keep)
        at_once = max(1, CACHED_TOKENS * torch.get_num_threads() // length)
        at_once = at_once if self.mask.device.type == "cpu" else batch
        chunks = [
            self._prefill(slice(first, first + at_once), keep, shared)
            for first in range(0, batch, at_once)
        ]
        caches = [cache for _, cache in chunks]
        self.cache = _concatenated(caches) if keep and len(caches) > 1 else caches[0]
        return torch.cat([outputs for outputs, _ in chunks])

    def _shared_prefix(self, keep: bool) -> Any:
        """The key-value cache of the common prefix of all prompts; None: it is too short."""
        if not (keep and self.right and len(self.mask) > 1):
            return None
        (prompt,) = self.prompt.values()
        same = (prompt == prompt[:1]).view(*self.mask.shape, -1).all(2) & self.mask
        shared = int(same.all(0).long().cumprod(0).sum())
        shared = min(shared, int(self.lengths.min()) - 1)  # the last token has the output
        if shared < MIN_SHARED_TOKENS:
            return None
        cache = empty_cache()
        once = {name: value[:1, :shared] for name, value in self.prompt.items()}
        self.run(**once, attention_mask=None, past_key_values=cache, use_cache=True)
        return cache

    def _prefill(self, chunk: slice, keep: bool, shared: Any) -> tuple[Tensor, Any]:
        """The outputs ``(n, X)`` after some prompts, and their key-value cache."""
        mask, cache, done = self.mask[chunk], empty_cache() if keep else None, 0
        if shared is not None:
            done = shared.get_seq_length()
            cache = _concatenated([shared] * len(mask))
        hidden: dict[str, Any] = {"attention_mask": None}
        if not self.right:
            positions = (mask.cumsum(1) - 1).clamp(min=0)
            hidden = {"attention_mask": mask.long(), "position_ids": positions}
        prompts = {name: value[chunk, done:] for name, value in self.prompt.items()}
        outputs = self.run(**prompts, **hidden, past_key_values=cache, use_cache=keep)
        self.dtype = outputs.dtype
        last = (torch.arange(mask.shape[1], device=mask.device) * mask).argmax(1) - done
        return outputs[torch.arange(len(outputs), device=outputs.device), last], cache

    def follow(self, inputs: dict[str, Tensor], parents: Tensor) -> Tensor:
        """See :class:`Reader`."""
        batch, beams = parents.shape
        own = torch.eye(beams, dtype=torch.bool, device=parents.device).expand(batch, -1, -1)
        index = parents[..., None].expand(-1, -1, self.ancestors.shape[2])
        self.ancestors = torch.cat([self.ancestors.gather(1, index), own], dim=2)
        visible = torch.cat([self.mask[:, None].expand(-1, beams, -1), self.ancestors], dim=2)
        outputs = self.run(
            **inputs,
            attention_mask=self._as_mask(visible[:, None]),
            position_ids=(self.lengths + self.depth)[:, None].expand(batch, beams),
            past_key_values=self.cache,
            use_cache=True,
        )
        self.depth += 1
        return outputs

    def take(self, rows: Tensor) -> TreeReader:
        """See :class:`Takes`."""
        taken = copy(self)
        taken.mask, taken.lengths = self.mask[rows], self.lengths[rows]
        taken.ancestors, taken.cache = self.ancestors[rows], selected(self.cache, rows)
        return taken

    def _as_mask(self, visible: Tensor) -> Tensor:
        return additive(visible, self.dtype) if self.added else visible


def empty_cache() -> Any:
    """A key-value cache of transformers."""
    from transformers import DynamicCache

    return DynamicCache()


def selected(cache: Any, rows: Tensor) -> Any:
    """The key-value cache of some rows of a batch, repeated or not; a copy."""
    out = empty_cache()
    for number, layer in enumerate(cache.layers):
        out.update(layer.keys[rows], layer.values[rows], number)
    return out


def _concatenated(caches: list[Any]) -> Any:
    """The key-value caches of several batches as one; a copy."""
    out = empty_cache()
    for layer, each in enumerate(zip(*(cache.layers for cache in caches), strict=True)):
        keys, values = (torch.cat([getattr(c, n) for c in each]) for n in ("keys", "values"))
        out.update(keys, values, layer)
    return out


class BranchReader(TreeReader):
    """A causal model in which B prompts continue G histories; each history is computed once.

    Args:
        run: as of :class:`TreeReader`.
        histories: embeddings ``(G, S, D)`` and mask ``(G, S)``, padded on the right, none empty.
        prompts: embeddings ``(B, T, D)`` and mask ``(B, T)``, padded on the right, none empty.
        history_of: ``(B,)`` int64, the history that each prompt continues.
        added: as of :class:`TreeReader`.
    """

    def __init__(
        self,
        run: Callable[..., Tensor],
        histories: tuple[Tensor, Tensor],
        prompts: tuple[Tensor, Tensor],
        history_of: Tensor,
        *,
        added: bool,
    ) -> None:
        mask = torch.cat([histories[1][history_of], prompts[1]], dim=1)
        super().__init__(run, {"inputs_embeds": prompts[0]}, mask, right=False, added=added)
        self.histories = TreeReader(
            run, {"inputs_embeds": histories[0]}, histories[1], right=True, added=added
        )
        self.history_of, self.dtype = history_of, prompts[0].dtype

    def of_histories(self) -> Reader:
        """A reader of the histories alone, after :meth:`read`; it computes none of them again."""
        every = torch.arange(len(self._after_histories), device=self._after_histories.device)
        return TakenReader(self.histories, self._after_histories, every)

    def _shared_prefix(self, keep: bool) -> Any:
        """The key-value cache of the histories, which all prompts begin with."""
        self._after_histories = self.histories.read()
        return self.histories.cache

    def _prefill(self, chunk: slice, keep: bool, shared: Any) -> tuple[Tensor, Any]:
        """See :class:`TreeReader`."""
        prompts, mask = self.prompt["inputs_embeds"][chunk], self.mask[chunk]
        length = prompts.shape[1]
        before = self.mask.shape[1] - length
        column = torch.arange(length, device=mask.device)
        own = (column <= column[:, None]).expand(len(mask), -1, -1)
        reads = torch.cat([mask[:, None, :before].expand(-1, length, -1), own], dim=2)
        cache = selected(shared, self.history_of[chunk])
        outputs = self.run(
            inputs_embeds=prompts,
            attention_mask=self._as_mask(reads[:, None]),
            position_ids=mask[:, :before].sum(1, keepdim=True) + column,
            past_key_values=cache,
            use_cache=True,
        )
        last = mask[:, before:].sum(1) - 1
        return outputs[torch.arange(len(outputs), device=outputs.device), last], cache


class TakenReader:
    """Some of the prompts of a reader that has read them.

    Args:
        reader: with its key-value cache.
        outputs: ``(B, X)``, the output after each of its prompts.
        rows: ``(b,)`` int64, the prompts to take.
    """

    def __init__(self, reader: Takes, outputs: Tensor, rows: Tensor) -> None:
        self.outputs, self._reader = outputs[rows], reader.take(rows)

    def read(self, *, keep: bool = True) -> Tensor:
        """See :class:`Reader`."""
        return self.outputs

    def follow(self, inputs: dict[str, Tensor], parents: Tensor) -> Tensor:
        """See :class:`Reader`."""
        return self._reader.follow(inputs, parents)


class Rereader:
    """A network without a key-value cache: each continuation is computed from its beginning.

    Args:
        run: the causal model: ``inputs_embeds (B, T, D)`` → ``(B, T, X)``.
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
        embedded = (
            inputs["inputs_embeds"] if "inputs_embeds" in inputs else self.embed(*inputs.values())
        )
        before = parents[..., None, None].expand(-1, -1, *self.paths.shape[2:])
        self.paths = torch.cat([self.paths.gather(1, before), embedded[:, :, None]], dim=2)
        batch, beams, depth, width = self.paths.shape
        sequences = pad(self.prompt, (0, 0, 0, depth)).repeat_interleave(beams, 0)
        lengths = self.lengths.repeat_interleave(beams)
        index = lengths[:, None] + torch.arange(depth, device=lengths.device)
        index = index[..., None].expand(-1, -1, width)
        sequences = sequences.scatter(1, index, self.paths.flatten(0, 1))
        return self._last(sequences, lengths + depth).unflatten(0, (batch, beams))

    def _last(self, sequences: Tensor, lengths: Tensor) -> Tensor:
        """The outputs ``(n, X)`` at the ends of ``sequences (n, T, D)``, in chunks."""
        at_once = max(1, REREAD_TOKENS // sequences.shape[1])
        chunks = zip(sequences.split(at_once), lengths.split(at_once), strict=True)
        outputs = torch.cat([
            self.run(inputs_embeds=chunk)[torch.arange(len(chunk), device=chunk.device), ends - 1]
            for chunk, ends in chunks
        ])  # fmt: skip
        self.dtype = outputs.dtype
        return outputs
