"""A bank of low-rank adapters that one forward pass mixes, with other weights for each sequence.

Hu et al. 2024 (arXiv:2404.10327), section 3.3, aggregate adapters at two levels. An adapter k adds
``s B_k A_k x`` to a linear layer, and has the weight ``w_k``:

- ``products`` (their non-decomposition level, equation 6): ``s sum_k w_k B_k A_k x``;
- ``factors`` (their decomposition level, equation 5): ``s (sum_k w_k B_k) (sum_k w_k A_k) x``.

The factors of all adapters are stacked, so a layer of the bank takes two products whatever the
number of adapters. K adapters, B sequences, T positions, r rank, D and E widths of a layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from p5rec.core.errors import input_error

from .config import LoraSettings

Level = Literal["products", "factors"]
DOWN, UP = ".down", ".up"  # suffixes of the names of A and B


@dataclass
class Mix:
    """The weights of the adapters in a forward pass; all layers of a bank share one.

    Attributes:
        level: what is mixed.
        weights: ``(B, K)`` float32; None: no adapter is used.
    """

    level: Level = "products"
    weights: Tensor | None = None


class BankLinear(nn.Module):
    """A linear layer with K adapters.

    Args:
        base: the layer, from D to E.
        down: ``(K, r, D)``, the matrices A.
        up: ``(K, E, r)``, the matrices B, multiplied by the scale s.
        mix: the weights.
    """

    down: Tensor  # (K r, D)
    up: Tensor  # (K r, E)

    def __init__(self, base: nn.Module, down: Tensor, up: Tensor, mix: Mix) -> None:
        super().__init__()
        self.base, self.mix, self.rank = base, mix, down.shape[1]
        self.register_buffer("down", down.flatten(0, 1).contiguous(), persistent=False)
        self.register_buffer("up", up.transpose(1, 2).flatten(0, 1).contiguous(), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(B, T, E)`` of ``inputs (B, T, D)``."""
        outputs: Tensor = self.base(inputs)
        weights = self.mix.weights
        if weights is None:
            return outputs
        weights = weights.to(inputs.dtype)
        if self.mix.level == "products":
            scales = weights.repeat_interleave(self.rank, dim=1)[:, None]
            return outputs + (inputs @ self.down.T * scales) @ self.up
        down, up = self._mixed(self.down, weights), self._mixed(self.up, weights)
        return torch.baddbmm(outputs, inputs @ down.mT, up)

    def _mixed(self, stacked: Tensor, weights: Tensor) -> Tensor:
        """``(B, r, n)`` the weighted sum of K matrices ``(r, n)`` of ``stacked (K r, n)``."""
        return (weights @ stacked.view(weights.shape[1], -1)).view(len(weights), self.rank, -1)


@dataclass(frozen=True, eq=False)
class AdapterBank:
    """The bank in a network.

    Attributes:
        size: K.
        mix: the weights that its layers use.
    """

    size: int
    mix: Mix = field(default_factory=Mix)

    @contextmanager
    def mixed(self, weights: Tensor, level: Level = "products") -> Iterator[None]:
        """Forward passes in the context use the adapters with ``weights (B, K)``; outside of it the
        network has no adapters.

        Raises:
            ValueError: ``weights`` have another number of adapters.
        """
        if weights.shape[1] != self.size:
            raise ValueError(f"expected weights of {self.size} adapters, got {weights.shape[1]}")
        before = self.mix.weights, self.mix.level
        self.mix.weights, self.mix.level = weights, level
        try:
            yield
        finally:
            self.mix.weights, self.mix.level = before


def adapter_state(adapted: Any, name: str = "default") -> dict[str, Tensor]:
    """The matrices of one adapter of a ``PeftModel``, by the layer's name in the network without
    adapters: ``LAYER.down`` is A ``(r, D)`` and ``LAYER.up`` is B ``(E, r)``."""
    from peft.tuners.lora import LoraLayer

    found = {}
    for layer, module in adapted.get_base_model().named_modules():
        if isinstance(module, LoraLayer) and name in module.lora_A:
            found[layer + DOWN] = module.lora_A[name].weight.detach().float().contiguous()
            found[layer + UP] = module.lora_B[name].weight.detach().float().contiguous()
    return found


def stacked(adapters: list[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The matrices ``(K, ...)`` of K adapters (:func:`adapter_state`) by name.

    Raises:
        ValueError: the adapters are of different layers.
    """
    names = adapters[0].keys()
    if any(each.keys() != names for each in adapters):
        raise ValueError("expected adapters of the same layers")
    return {name: torch.stack([each[name] for each in adapters]) for name in names}


def scale_of(lora: LoraSettings) -> float:
    """The factor s of an adapter's output."""
    return float(lora.alpha / (lora.rank**0.5 if lora.rslora else lora.rank))


def check_mixable(lora: LoraSettings | None) -> None:
    """Checks that adapters with these settings can be mixed.

    Raises:
        UserError: there are none, or they also learn norms (DoRA), which are no sum.
    """
    if lora is None or lora.dora:
        got = "none" if lora is None else "dora, whose norms cannot be summed"
        raise input_error("backbone.lora", "low-rank adapters", got, "set lora: {rank: 8}")


def add_bank(network: nn.Module, matrices: Mapping[str, Tensor], scale: float) -> AdapterBank:
    """Replaces linear layers of ``network`` by ones with adapters; until weights are set
    (:meth:`AdapterBank.mixed`), its outputs stay the same.

    Args:
        network: without adapters.
        matrices: of K adapters (:func:`stacked`).
        scale: the factor of their outputs (:func:`scale_of`).
    """
    layers = [name.removesuffix(DOWN) for name in matrices if name.endswith(DOWN)]
    bank = AdapterBank(len(matrices[layers[0] + DOWN]))
    for layer in layers:
        base = network.get_submodule(layer)
        like = next(base.parameters())
        down, up = (matrices[layer + suffix].to(like) for suffix in (DOWN, UP))
        network.set_submodule(layer, BankLinear(base, down, up * scale, bank.mix))
    return bank
