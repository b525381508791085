"""Items drawn without replacement, as often as the model finds them likely.

Stochastic beam search (Kool et al. 2019, *Stochastic beams and where to find them*, arXiv
1903.06059, sections 3 and 4): a beam search over log-probabilities that were perturbed by Gumbel
noise, in which the largest perturbed value below a node is that of the node. What it keeps is a
sample without replacement of the items.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .trie import Trie


class Draws:
    """The noise of B requests: a request's draws hang on its own seed, never on the batch.

    Where only some items are allowed, each node shares its probability among those of its children
    that lead to one: the distribution is that of drawing code after code.

    Args:
        seeds: ``(B,)`` int64.
        trie: the items.
    """

    def __init__(self, seeds: Tensor, trie: Trie) -> None:
        self.seeds = seeds
        sizes = [len(codes) for codes in trie.codes]
        self.starts = [sum(sizes[:level]) for level in range(len(sizes))]

    def __call__(self, level: int, child: Tensor, scores: Tensor, keys: Tensor) -> Tensor:
        """Perturbed log-probabilities.

        Args:
            child: ``(B, K, F)`` nodes at depth ``level + 1``.
            scores: ``(B, K, F)`` their log-probabilities, -inf for those that do not count.
            keys: ``(B, K)`` the perturbed log-probabilities of their parents.

        Returns:
            ``(B, K, F)``; the largest below each parent is the parent's.
        """
        raw = scores + gumbel(self.seeds[:, None, None], child + self.starts[level])
        highest = raw.amax(dim=2, keepdim=True)
        # equation 22 of the paper, in the form that does not overflow (its appendix B.3)
        below = keys[..., None] - raw + torch.log1p(-(raw - highest).exp())
        shifted = keys[..., None] - below.clamp(min=0) - torch.log1p((-below.abs()).exp())
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
    """A shift to the right that fills with zeros, which int64 does not have."""
    return (state >> by) & ((1 << (64 - by)) - 1)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
