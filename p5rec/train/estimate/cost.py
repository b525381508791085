"""The cost of a training before it runs: examples, weights, FLOPs.

A model without weights suffices (``build(..., empty=True)``).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from p5rec.models.inputs import CodeLayout
from p5rec.models.multitask import MultitaskModel
from p5rec.models.positions import item_starts

from ..examples.example import IGNORE, TrainingExample

# FLOPs per weight and position, two for each of: forward, gradient of the input, of the weight
FROZEN, TRAINED = 4, 6


@dataclass(frozen=True)
class Load:
    """The computational load of training examples.

    Attributes:
        examples, tokens: their number, without padding.
        positions: of the language model; fewer than tokens if an item takes one position.
        pairs: pairs of positions in attention.
        words, items: number of target words and target items.
        shortened, cut: examples whose prompt was shortened or truncated.
    """

    examples: float = 0
    tokens: float = 0
    positions: float = 0
    pairs: float = 0
    words: float = 0
    items: float = 0
    shortened: float = 0
    cut: float = 0

    def __mul__(self, times: float) -> Load:
        return Load(*(times * value for value in vars(self).values()))

    def __add__(self, other: Load) -> Load:
        return Load(*map(sum, zip(vars(self).values(), vars(other).values(), strict=True)))


def load_of(examples: Iterable[TrainingExample], layout: CodeLayout, *, merged: bool) -> Load:
    """The load of ``examples``.

    Args:
        examples: of any task.
        layout: the tokens of items.
        merged: whether an item takes one position.
    """
    sizes, total = layout.codes.sizes, Load()
    for example in examples:
        ids, labels = example.input_ids, example.labels[1:]
        behaviours = int((ids >= layout.first_behaviour).sum())
        words = int(((labels != IGNORE) & (labels < layout.first)).sum())
        inner = (len(sizes) - 1) * _items(ids, layout) + behaviours
        positions = len(ids) - merged * inner
        pairs, targets = positions * (positions + 1) / 2, _items(labels, layout)
        total += Load(1, len(ids), positions, pairs, words, targets, example.shortened, example.cut)
    return total


def _items(ids: np.ndarray, layout: CodeLayout) -> int:
    starts = item_starts(torch.from_numpy(ids)[None], layout.first, layout.codes.sizes)
    return int(starts.sum())


@dataclass(frozen=True)
class Weights:
    """The number of weights of a model; shared weights count once.

    Attributes:
        total, trained: all weights, and the trainable ones.
        adapters, embeddings, heads: trainable weights of adapters, of new token and item
            embeddings, and of heads on top of the language model.
    """

    total: int
    trained: int
    adapters: int
    embeddings: int
    heads: int


def weights_of(model: MultitaskModel) -> Weights:
    """Counts the weights of ``model``."""
    trained = {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}

    def counted(*marks: str) -> int:
        return sum(n for name, n in trained.items() if any(mark in f".{name}." for mark in marks))

    return Weights(
        total=sum(p.numel() for p in model.parameters()),
        trained=sum(trained.values()),
        adapters=counted(".lora_"),
        embeddings=counted(".new.", ".item_embeddings."),
        heads=counted(".heads.", ".code_head."),
    )


def matrices(model: MultitaskModel) -> list[Tensor]:
    """The matrices of the language model's blocks, with adapters."""
    words = set(model.causal.get_input_embeddings().parameters())
    body = model.causal.base_model if model.seq2seq else model.decoder
    return [p for p in body.parameters() if p.ndim == 2 and p not in words]


def flops(model: MultitaskModel, load: Load) -> float:
    """FLOPs of the forward and backward passes over ``load``, without recomputation.

    A frozen matrix costs 4 FLOPs per weight and position (the product and the gradient of its
    input), a trainable one 6. Norms, softmax and sums are not counted. With an encoder, each
    position is assumed to pass through half of the blocks.
    """
    traits = model.traits
    once = sum(_cost(matrix) * matrix.numel() for matrix in matrices(model))
    blocks = once / (1 + model.seq2seq)
    attention = 3 * 4 * traits.attention * traits.depth  # two products of 2 a number, three times
    head = model.causal.get_output_embeddings()
    word = _cost(head.old.weight) * head.old.weight.numel() + TRAINED * head.new.numel()
    item = len(model.sizes) * word if model.normalisation == "vocab" else _item(model, traits.width)
    return load.positions * blocks + load.pairs * attention + load.words * word + load.items * item


def _item(model: MultitaskModel, width: int) -> float:
    """FLOPs of the loss of one target item: code logits, item logits, code head."""
    cost: float = TRAINED * sum(model.sizes) * width if model.predicts_codes else 0
    if model.item_embeddings is not None or not model.predicts_codes:
        cost += TRAINED * len(model.codes) * width
    if model.code_head is not None:
        inner = sum(p.numel() for p in model.code_head.parameters() if p.ndim == 2)
        cost += TRAINED * (len(model.sizes) - 1) * inner
    return cost


def _cost(matrix: Tensor) -> int:
    return TRAINED if matrix.requires_grad else FROZEN


@torch.no_grad()
def matmul_rate(
    model: MultitaskModel, positions: int, dtype: torch.dtype, seconds: float = 1.0
) -> float:
    """FLOPs per second of this machine for matrix products of the blocks' shapes, the best of
    several rounds.

    Args:
        model: with the blocks.
        positions: of a training step.
        dtype: of the arithmetic.
        seconds: duration of the measurement.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shapes = {tuple(matrix.shape) for matrix in matrices(model)}
    full = [shape for shape in shapes if min(shape) > max(max(s) for s in shapes) // 16] or shapes
    factors = [
        (torch.randn(positions, i, dtype=dtype, device=device),
         torch.randn(o, i, dtype=dtype, device=device))
        for o, i in full
    ]  # fmt: skip
    work, best = sum(2 * len(x) * w.numel() for x, w in factors), 0.0
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        started = time.perf_counter()
        for x, weight in factors:
            out = linear(x, weight)
        out.sum().item()  # waits for the GPU
        best = max(best, work / (time.perf_counter() - started))
    return best
