"""How much memory a training takes at its largest, told from shapes."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks

from p5rec.backbones.config import BackboneConfig
from p5rec.models.multitask import MultitaskModel

from ..config import TrainConfig
from .cost import Load

LIBRARIES = 0.9e9  # bytes: Python, PyTorch, transformers, the data; on a GPU, CUDA's own
MOMENTS = {"adamw": 8, "adamw-8bit": 2, "paged-adamw-8bit": 2}  # bytes a weight that trains
ALLOCATOR = 0.4  # bytes kept free or in pieces beside each that comes and goes, as measured
LOGITS = 3  # float32 copies: logits, log-probabilities, their gradient


@dataclass(frozen=True)
class Memory:
    """Bytes at the end of the forward pass of the largest batch, when most is held."""

    weights: float
    gradients: float
    moments: float
    activations: float
    logits: float
    kept: float  # the mean of the weights, and the best ones
    allocator: float
    libraries: float = LIBRARIES

    @property
    def peak(self) -> float:
        """All together."""
        return sum(asdict(self).values())


def memory_of(
    model: MultitaskModel,
    backbone: BackboneConfig,
    train: TrainConfig,
    shape: tuple[int, int],
    batch: Load,
) -> Memory:
    """The memory that training takes.

    Args:
        model: of shapes alone.
        shape: lines and positions of the largest batch.
        batch: what a batch asks, on average.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    rows = [p for n, p in model.named_parameters() if n.endswith((".new", "item_embeddings"))]
    numbers, in_full = sum(p.numel() for p in trained), sum(p.numel() for p in rows)
    moments = MOMENTS[train.optimizer] * (numbers - in_full) + MOMENTS["adamw"] * in_full
    words, codes = model.tokens, sum(model.sizes)
    if model.item_embeddings is not None:
        codes += len(model.item_embeddings)
    if model.normalisation == "vocab":
        codes = words * len(model.sizes)
    gradients = sum(p.numel() * p.element_size() for p in trained)
    activations = activation_bytes(model, train, shape)
    logits = 4.0 * LOGITS * (batch.words * words + batch.items * codes)
    return Memory(
        weights=_weights(model, backbone),
        gradients=gradients,
        moments=moments,
        activations=activations,
        logits=logits,
        kept=gradients * (bool(train.average) + bool(train.patience)),
        allocator=ALLOCATOR * (gradients + activations + logits),
    )


def _weights(model: MultitaskModel, backbone: BackboneConfig) -> float:
    full = sum(p.numel() * p.element_size() for p in model.parameters())
    if backbone.frozen_bytes is None:
        return full
    frozen = [m.weight for m in model.decoder.modules() if isinstance(m, nn.Linear)]
    frozen = [weight for weight in frozen if not weight.requires_grad]
    return full - sum(w.numel() * (w.element_size() - backbone.frozen_bytes) for w in frozen)


def activation_bytes(model: MultitaskModel, train: TrainConfig, shape: tuple[int, int]) -> float:
    """Bytes that the blocks keep between their forward and backward passes.

    They are run on fake tensors, which have shapes and no numbers, and what autograd saves is
    counted, each storage once; attention's mask too, which most models do without. An encoder is
    taken to keep as much as the decoder.

    Args:
        shape: lines and positions of a batch.
    """
    decoder = deepcopy(model.decoder).train()
    kept: dict[int, int] = {}
    alive: list[Tensor] = []  # a storage that is gone may leave its number to another

    def keep(tensor: Tensor) -> Tensor:
        alive.append(tensor)
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    half = train.precision == "bfloat16"
    dtype = model.causal.get_input_embeddings().old.weight.dtype
    with FakeTensorMode(allow_non_fake_inputs=True):
        decoder.to_empty(device="cpu")
        read = torch.empty(*shape, model.traits.width, dtype=dtype, requires_grad=True)
        inputs = {"inputs_embeds": read}
        if model.seq2seq:
            inputs["encoder_hidden_states"] = read
        with (
            torch.autocast("cpu", torch.bfloat16, enabled=half),
            saved_tensors_hooks(keep, lambda tensor: tensor),
        ):
            decoder(**inputs)
    own = [*decoder.parameters(), *decoder.buffers()]
    weights = {value.untyped_storage()._cdata for value in own}
    blocks = float(sum(size for storage, size in kept.items() if storage not in weights))
    if train.gradient_checkpointing:  # each block's input, and one block made again
        depth = model.traits.depth
        blocks = depth * read.numel() * read.element_size() + blocks / depth
    return blocks * (1 + model.seq2seq)
