"""Models of transformers as networks: what is said of them elsewhere than a network says it."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import GenerationConfig, PretrainedConfig, PreTrainedModel

from .base import Network, Traits


def traits_of(network: Network | PreTrainedModel) -> Traits:
    """What ``network`` is and can do."""
    if not isinstance(network, PreTrainedModel):
        return network.traits
    config: Any = network.config
    width = config.hidden_size
    # a T5 whose head is its embedding reads states made smaller
    shrink = width**-0.5 if getattr(config, "scale_decoder_outputs", False) else 1.0
    return Traits(
        width,
        depth=config.num_hidden_layers,
        attention=getattr(config, "num_attention_heads", 0)
        * (getattr(config, "head_dim", None) or 0)
        or width,
        start=int(config.decoder_start_token_id) if config.is_encoder_decoder else None,
        shrink=shrink,
        keeps=True,
        packs=not config.is_encoder_decoder,
    )


def decoder_of(network: Network | PreTrainedModel) -> nn.Module:
    """``network`` without its output head: embedded tokens → hidden states."""
    if isinstance(network, PreTrainedModel) and not network.config.is_encoder_decoder:
        decoder: nn.Module = getattr(network, network.base_model_prefix)
        return decoder
    return network.get_decoder()  # type: ignore[no-any-return]


def configs_of(network: Network | PreTrainedModel) -> tuple[Any, Any]:
    """What transformers' trainer reads and writes of any model: configs, of architecture and of
    generation."""
    if isinstance(network, PreTrainedModel):
        return network.config, network.generation_config
    return PretrainedConfig(), GenerationConfig()


def quantised(network: Network | PreTrainedModel) -> bool:
    """Whether its frozen weights have fewer bits than numbers have."""
    return bool(getattr(network, "is_quantized", False))
