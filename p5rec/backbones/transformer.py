"""Models of transformers as networks: properties that they define elsewhere than a Network does."""

from __future__ import annotations

from typing import Any

from torch import nn

from .base import Traits


def of_transformers(network: Any) -> bool:
    """Whether ``network`` is a model of transformers, else a :class:`.base.Network` with traits."""
    return not hasattr(network, "traits")


def traits_of(network: Any) -> Traits:
    """Properties of ``network``."""
    if not of_transformers(network):
        traits: Traits = network.traits
        return traits
    config = network.config
    width = config.hidden_size
    # T5 with tied embeddings scales states down before the head
    state_scale = width**-0.5 if getattr(config, "scale_decoder_outputs", False) else 1.0
    return Traits(
        width,
        depth=config.num_hidden_layers,
        attention=getattr(config, "num_attention_heads", 0)
        * (getattr(config, "head_dim", None) or 0)
        or width,
        decoder_start=int(config.decoder_start_token_id) if config.is_encoder_decoder else None,
        state_scale=state_scale,
        kv_cache=True,
        packing=not config.is_encoder_decoder,
        relative_positions=hasattr(config, "relative_attention_num_buckets"),
    )


def decoder_of(network: Any) -> nn.Module:
    """``network`` without its output head: embedded tokens → hidden states."""
    if of_transformers(network) and not network.config.is_encoder_decoder:
        decoder: nn.Module = getattr(network, network.base_model_prefix)
        return decoder
    return network.get_decoder()  # type: ignore[no-any-return]


def configs_of(network: Any) -> tuple[Any, Any]:
    """The architecture and generation configs, which the trainer of transformers needs."""
    from transformers import GenerationConfig, PretrainedConfig

    if of_transformers(network):
        return network.config, network.generation_config
    return PretrainedConfig(), GenerationConfig()


def quantised(network: Any) -> bool:
    """Whether the frozen weights are quantised."""
    return bool(getattr(network, "is_quantized", False))
