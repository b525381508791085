"""What a training costs before it is run: its rows, its weights, its arithmetic.

Nothing here needs a weight: a model of shapes alone will do (``build(..., empty=True)``).
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

# FLOPs a weight and position, two for each product: forward, gradient of the input, of the weight
FROZEN, TRAINED = 4, 6


@dataclass(frozen=True)
class Load:
    """What some rows ask of a model.

    Attributes:
        rows, tokens: as they are read, padding left out.
        positions: of the language model; fewer than tokens where an item takes one.
        pairs: of positions of which one sees the other.
        words, items: that are asked.
        shortened, cut: rows whose prompt was made to show less, or lost words.
    """

    rows: float = 0
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


def load_of(rows: Iterable[TrainingExample], layout: CodeLayout, *, merged: bool) -> Load:
    """The load of ``rows``.

    Args:
        merged: whether an item takes one position.
    """
    sizes, total = layout.codes.sizes, Load()
    for row in rows:
        tokens, done = len(row.input_ids), row.input_ids >= layout.first_behaviour
        shown, asked = (_items(array, layout) for array in (row.input_ids, row.labels[1:]))
        words = int(((row.labels[1:] != IGNORE) & (row.labels[1:] < layout.first)).sum())
        positions = tokens - merged * ((len(sizes) - 1) * shown + int(done.sum()))
        pairs = positions * (positions + 1) / 2
        total += Load(1, tokens, positions, pairs, words, asked, row.shortened, row.cut)
    return total


def _items(ids: np.ndarray, layout: CodeLayout) -> int:
    whole = item_starts(torch.from_numpy(ids)[None], layout.first, layout.codes.sizes)
    return int(whole.sum())


@dataclass(frozen=True)
class Weights:
    """How many numbers a model has, each shared one once.

    Attributes:
        total, trained: all of them, and those that learn.
        adapters, rows, heads: of the trained ones, those of adapters, of new tokens and items, and
            of everything beside the language model.
    """

    total: int
    trained: int
    adapters: int
    rows: int
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
        rows=counted(".new.", ".item_embeddings."),
        heads=counted(".heads.", ".code_head."),
    )


def matrices(model: MultitaskModel) -> list[Tensor]:
    """The matrices of the language model's blocks, adapters included."""
    words = set(model.causal.get_input_embeddings().parameters())
    body = model.causal.base_model if model.seq2seq else model.decoder
    return [p for p in body.parameters() if p.ndim == 2 and p not in words]


def flops(model: MultitaskModel, load: Load) -> float:
    """Floating-point operations to learn from ``load``, forward and backward, none made twice.

    A frozen matrix costs 4 a weight and position (the product, and the gradient of its input), one
    that learns 6. Norms, softmax and sums are left out. Where there is an encoder, each position is
    taken to pass through one of the two: half of the blocks.
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
    """Of naming one item: its level's codes, the items' own rows, the network between the codes."""
    cost: float = TRAINED * sum(model.sizes) * width
    if model.item_embeddings is not None:
        cost += TRAINED * model.item_embeddings.numel()
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
    """FLOPs a second that this machine reaches on products of the blocks' own shapes; the best of
    the rounds in ``seconds``.

    Args:
        positions: of a training step.
        dtype: of the arithmetic.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shapes = {tuple(matrix.shape) for matrix in matrices(model)}
    full = [shape for shape in shapes if min(shape) > max(max(s) for s in shapes) // 16]
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
        out.sum().item()  # a GPU has finished
        best = max(best, work / (time.perf_counter() - started))
    return best
