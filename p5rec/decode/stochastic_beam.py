"""Samples items without replacement, with the probabilities of the model.

Stochastic beam search (Kool et al. 2019, *Stochastic beams and where to find them*, arXiv
1903.06059, sections 3 and 4): a beam search over log-probabilities with Gumbel noise, in which the
largest perturbed value in a subtree equals the value of its root. The final beams are a sample of
items without replacement.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .trie import Trie


class GumbelNoise:
    """The Gumbel noise of B requests; the noise of a request depends on its own seed alone.

    If some items are not allowed, each node shares its probability among its open children: the
    distribution is that of sampling code by code.

    Args:
        seeds: ``(B,)`` int64.
        trie: the item tree.
    """

    def __init__(self, seeds: Tensor, trie: Trie) -> None:
        self.seeds = seeds
        sizes = [len(codes) for codes in trie.codes]
        self.starts = [sum(sizes[:level]) for level in range(len(sizes))]

    def __call__(self, level: int, child: Tensor, scores: Tensor, keys: Tensor) -> Tensor:
        """Perturbed log-probabilities.

        Args:
            child: ``(B, K, F)`` nodes at depth ``level + 1``.
            scores: ``(B, K, F)`` their log-probabilities, -inf for nodes that are not entered.
            keys: ``(B, K)`` perturbed log-probabilities of their parents.

        Returns:
            ``(B, K, F)``; the maximum over the children of a parent is the parent's value.
        """
        raw = scores + gumbel(self.seeds[:, None, None], child + self.starts[level])
        highest = raw.amax(dim=2, keepdim=True)
        # equation 22 of the paper, in the form that does not overflow (its appendix B.3)
        gap = keys[..., None] - raw + torch.log1p(-(raw - highest).exp())
        shifted = keys[..., None] - gap.clamp(min=0) - torch.log1p((-gap.abs()).exp())
        return torch.where(scores.isfinite(), shifted, -torch.inf).float()


def gumbel(seeds: Tensor, numbers: Tensor) -> Tensor:
    """Noise of a standard Gumbel distribution, a function of seed and number alone."""
    return -(-_uniform(seeds, numbers).log()).log()


def _uniform(seeds: Tensor, numbers: Tensor) -> Tensor:
    """Float64 in (0, 1), a function of seed and number alone (SplitMix64, Steele et al. 2014)."""
    state = _mixed(_mixed(seeds) + numbers * _signed(0x9E3779B97F4A7C15))
    return (_shifted(state, 11).double() + 0.5) * 2.0**-53


def _mixed(state: Tensor) -> Tensor:
    state = (state ^ _shifted(state, 30)) * _signed(0xBF58476D1CE4E5B9)
    state = (state ^ _shifted(state, 27)) * _signed(0x94D049BB133111EB)
    return state ^ _shifted(state, 31)


def _shifted(state: Tensor, by: int) -> Tensor:
    """A logical shift to the right; int64 tensors have an arithmetic one alone."""
    return (state >> by) & ((1 << (64 - by)) - 1)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
