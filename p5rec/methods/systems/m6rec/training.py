"""What the trainings of M6-Rec share: an untrained model, and batches of rows. R rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from p5rec.backbones.split_decoder import split_decoder
from p5rec.core.rng import derive_rng
from p5rec.models.segments import SegmentModel, add_adapters

from .reading import SegmentReader
from .segments import Segments, plain_backbone, tokens
from .settings import M6Settings

SORTED = 16  # batches whose rows are sorted by length together
OPTIONS = (" no", " yes")  # initial words of the options, by class


def untrained(method: M6Settings, segments: Segments, seed: int) -> SegmentReader:
    """A model before training; only the weights that are trained require gradients.

    Args:
        method: the settings.
        segments: what it reads.
        seed: of random weights.
    """
    backbone = plain_backbone(method, seed)
    embedding = backbone.causal.get_input_embeddings()
    weights, tokenizer = embedding.old.weight.detach().float(), backbone.vocabulary.tokenizer
    plain = method.soft_prompts - len(OPTIONS)
    drawn = derive_rng(seed, "soft prompts").integers(len(tokenizer), size=plain)
    options = [weights[ids].mean(0) for ids in tokens(tokenizer, OPTIONS, 8)]
    prompts = torch.cat([weights[torch.from_numpy(drawn)], torch.stack(options)])
    lower, upper = split_decoder(backbone.causal, method.cached_layers)
    upper.requires_grad_(method.tuning == "full")
    if method.tuning == "option-adapter":
        add_adapters(upper, segments.width, method.adapter_rank)
    return SegmentReader(SegmentModel(lower, upper, prompts), segments, method)


def batches(lengths: np.ndarray, batch: int) -> Iterator[np.ndarray]:
    """All rows in random batches of similar lengths.

    Args:
        lengths: ``(R,)`` of the rows.
        batch: rows of a batch.
    """
    order = torch.randperm(len(lengths)).numpy()
    for start in range(0, len(order), SORTED * batch):
        some = order[start : start + SORTED * batch]
        some = some[np.argsort(lengths[some], kind="stable")]
        parts = np.split(some, range(batch, len(some), batch))
        for n in torch.randperm(len(parts)).tolist():
            yield parts[n]


def optimizer_of(method: M6Settings, network: nn.Module) -> torch.optim.Optimizer:
    """Adam over the weights of ``network`` that require gradients."""
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    return torch.optim.Adam(trained, lr=method.learning_rate, fused=True)
