"""What a training costs before it is run: weights, arithmetic, memory, from the model's own shapes.

Nothing here needs a weight: a model on the ``meta`` device will do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from p5rec.models.layout import CodeLayout
from p5rec.models.multitask import MultitaskModel
from p5rec.models.positions import whole_items

from .rows import IGNORE, Row

FORWARD_AND_INPUTS, WITH_WEIGHTS = 4, 6  # FLOPs a weight and position: two a product
ADAM = 8  # bytes a trained weight, two float32 moments


@dataclass(frozen=True)
class Load:
    """What a number of rows ask of a model.

    Attributes:
        rows, tokens: as they are read.
        positions: of the language model; fewer than tokens where an item takes one.
        pairs: of positions that see each other.
        words, items: taught.
    """

    rows: float
    tokens: float
    positions: float
    pairs: float
    words: float
    items: float

    def __mul__(self, times: float) -> Load:
        return Load(*(times * value for value in vars(self).values()))

    def __add__(self, other: Load) -> Load:
        return Load(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))


NOTHING = Load(0, 0, 0, 0, 0, 0)


def load_of(rows: Iterable[Row], layout: CodeLayout, *, merged: bool) -> Load:
    """The load of ``rows``, padding left out.

    Args:
        merged: whether an item takes one position.
    """
    sizes, total = layout.codes.sizes, NOTHING
    for row in rows:
        ids, labels = (torch.from_numpy(a)[None] for a in (row.input_ids, row.labels))
        shown, asked = (int(whole_items(x, layout.first, sizes).sum()) for x in (ids, labels))
        positions = len(row.input_ids) - merged * (len(sizes) - 1) * shown
        words = int(((row.labels != IGNORE) & (row.labels < layout.first)).sum())
        pairs = positions * (positions + 1) / 2
        total = total + Load(1, len(row.input_ids), positions, pairs, words, asked)
    return total


@dataclass(frozen=True)
class Weights:
    """How many numbers a model has, each shared one once.

    Attributes:
        total, trained: all of them, and those that learn.
        adapters, rows, heads: of the trained ones, those of low-rank adapters, of new tokens and
            items, and of everything beside the language model.
    """

    total: int
    trained: int
    adapters: int
    rows: int
    heads: int


def weights_of(model: MultitaskModel) -> Weights:
    """Counts the weights of ``model``, which may lie on the ``meta`` device."""
    named = list(model.named_parameters())
    trained = [(name, p.numel()) for name, p in named if p.requires_grad]
    rows = sum(n for name, n in trained if name.endswith((".new", "item_rows")))
    adapters = sum(n for name, n in trained if ".lora_" in name)
    heads = sum(n for name, n in trained if name.startswith(("heads.", "code_head.")))
    total, learn = sum(p.numel() for _, p in named), sum(n for _, n in trained)
    return Weights(total, learn, adapters, rows, heads)


def matrices(model: MultitaskModel) -> Iterable[Tensor]:
    """The matrices of the language model's blocks, adapters included."""
    inputs = set(model.causal.get_input_embeddings().parameters())
    return (p for p in model.decoder.parameters() if p.ndim == 2 and p not in inputs)


def flops(model: MultitaskModel, load: Load) -> float:
    """Floating-point operations to learn from ``load``, forward and backward, none made twice.

    A frozen matrix costs 4 a weight and position (the product, and the gradient of its input), one
    that learns 6. Norms, softmax and what is added up are left out.
    """
    config = model.config
    width, depth = config.hidden_size, config.num_hidden_layers
    blocks = sum(_cost(matrix) * matrix.numel() for matrix in matrices(model))
    heads = config.num_attention_heads
    across = heads * (getattr(config, "head_dim", None) or width // heads)
    attention = 3 * 4 * across * depth
    head = model.causal.get_output_embeddings()
    word = _cost(head.old.weight) * head.old.weight.numel() + WITH_WEIGHTS * head.new.numel()
    if model.normalisation == "vocab":
        item = len(model.sizes) * word
    else:
        item = WITH_WEIGHTS * sum(model.sizes) * width
        if model.item_rows is not None:
            item += WITH_WEIGHTS * model.item_rows.numel()
        if model.code_head is not None:
            inner = sum(p.numel() for p in model.code_head.parameters() if p.ndim == 2)
            item += WITH_WEIGHTS * (len(model.sizes) - 1) * inner
    return (
        load.positions * blocks + load.pairs * attention + load.words * word + load.items * item
    )


def _cost(matrix: Tensor) -> int:
    return WITH_WEIGHTS if matrix.requires_grad else FORWARD_AND_INPUTS


@torch.no_grad()
def matmul_rate(
    model: MultitaskModel, positions: int, dtype: torch.dtype, seconds: float = 1.0
) -> float:
    """FLOPs a second that this machine reaches on products of the blocks' shapes; the best round.

    Args:
        positions: rows of the other factor, as in a training step.
        dtype: of the arithmetic.
    """
    import time

    shapes = {tuple(matrix.shape) for matrix in matrices(model) if min(matrix.shape) >= 64}
    pairs = [(torch.randn(positions, i, dtype=dtype), torch.randn(o, i, dtype=dtype)) for o, i in sorted(shapes)]
    work = sum(2 * len(x) * w.numel() for x, w in pairs)
    best, deadline = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        started = time.perf_counter()
        for x, weight in pairs:
            nn.functional.linear(x, weight)
        best = max(best, work / (time.perf_counter() - started))
    return best
