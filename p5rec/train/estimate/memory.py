"""The peak memory of a training, estimated from shapes."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks

from p5rec.backbones.config import BackboneConfig
from p5rec.backbones.precision import computing, dtype_of
from p5rec.models.multitask import MultitaskModel

from ..config import TrainConfig
from .cost import Load

LIBRARIES = 0.9e9  # bytes: Python, PyTorch, transformers, the data; on a GPU, CUDA's own
MOMENTS = {"adamw": 8, "adamw-8bit": 2, "paged-adamw-8bit": 2}  # bytes per trainable weight
ALLOCATOR = 0.4  # measured overhead per byte of temporary tensors: reserved or fragmented
LOGITS = 3  # float32 copies: logits, log-probabilities, their gradient


@dataclass(frozen=True)
class Memory:
    """Bytes at the end of the forward pass of the largest batch, when memory use peaks."""

    weights: float
    gradients: float
    moments: float
    activations: float
    logits: float
    weight_copies: float  # averaged weights and best weights
    allocator: float
    libraries: float = LIBRARIES

    @property
    def peak(self) -> float:
        """The sum of all terms."""
        return sum(asdict(self).values())


def memory_of(
    model: MultitaskModel,
    backbone: BackboneConfig,
    train: TrainConfig,
    shape: tuple[int, int],
    batch: Load,
) -> Memory:
    """The memory of a training.

    Args:
        model: without weights.
        backbone: of the model.
        train: the training.
        shape: sequences and positions of the largest batch.
        batch: the mean load of a batch.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    named = model.named_parameters()
    in_32_bits = sum(p.numel() for n, p in named if n.endswith((".new", "item_embeddings")))
    others = sum(p.numel() for p in trained) - in_32_bits
    moments = MOMENTS[train.optimizer] * others + MOMENTS["adamw"] * in_32_bits
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
        weight_copies=gradients * (bool(train.average) + bool(train.patience)),
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
    """Bytes of activations that the blocks save for the backward pass.

    The blocks run on fake tensors without data, and the tensors that autograd saves are counted,
    each storage once. The attention mask is counted too, although most models need none. An encoder
    is assumed to save as much as the decoder.

    Args:
        model: without weights.
        train: the training.
        shape: sequences and positions of a batch.
    """
    decoder = deepcopy(model.decoder).train()
    saved: dict[int, int] = {}
    alive: list[Tensor] = []  # so that no storage id is used twice

    def save(tensor: Tensor) -> Tensor:
        alive.append(tensor)
        storage = tensor.untyped_storage()
        saved[storage._cdata] = storage.nbytes()
        return tensor

    dtype = model.causal.get_input_embeddings().old.weight.dtype
    with FakeTensorMode(allow_non_fake_inputs=True):
        decoder.to_empty(device="cpu")
        embedded = torch.empty(*shape, model.traits.width, dtype=dtype, requires_grad=True)
        inputs = {"inputs_embeds": embedded}
        if model.seq2seq:
            inputs["encoder_hidden_states"] = embedded
        with (
            computing(dtype_of(train.precision)),
            saved_tensors_hooks(save, lambda tensor: tensor),
        ):
            decoder(**inputs)
    own = [*decoder.parameters(), *decoder.buffers()]
    weights = {value.untyped_storage()._cdata for value in own}
    blocks = float(sum(size for storage, size in saved.items() if storage not in weights))
    if train.gradient_checkpointing:  # the input of each block, and one block recomputed
        depth = model.traits.depth
        blocks = depth * embedded.numel() * embedded.element_size() + blocks / depth
    return blocks * (1 + model.seq2seq)
