"""Pretrained language models of transformers: loaded by name, truncated, quantised."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from p5rec.core.errors import UserError
from p5rec.core.rng import derive_seed

from .config import BackboneConfig, LoraSettings

if TYPE_CHECKING:  # a config is read without torch
    from transformers import (
        BitsAndBytesConfig,
        PretrainedConfig,
        PreTrainedModel,
        PreTrainedTokenizerBase,
    )

    from .base import Network
    from .vocabulary import Vocabulary

NONE_MISSING: dict[str, list[str]] = {"missing_keys": []}


def _ascending(blocks: tuple[int, ...]) -> tuple[int, ...]:
    if not blocks or blocks[0] < 0 or any(b <= a for a, b in pairwise(blocks)):
        raise ValueError(f"expected numbers of blocks in ascending order, got {list(blocks)}")
    return blocks


Blocks = Annotated[tuple[int, ...], AfterValidator(_ascending)]


BITS = {"4bit": 0.52, "8bit": 1.0}  # bytes a weight of a linear layer, scales included


class Pretrained(BackboneConfig):
    """A language model of transformers by name, its weights read."""

    kind: Literal["pretrained"] = "pretrained"
    name: str = "smollm2"
    """The model: ``smollm2`` (built in), a local folder, or a name on the Hugging Face hub."""
    layers: Annotated[int, Field(ge=1)] | Blocks | None = None
    """Blocks to keep: the first n, or a list of block numbers from 0. null: all."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Number format of the frozen weights; bfloat16 is float32 on a CPU without instructions for
    it. Trained weights are float32.
    """
    quantize: Literal["4bit", "8bit"] | None = None
    """Quantisation of the frozen weights: 4-bit NF4 with quantised scales (QLoRA), or LLM.int8().
    Needs ``lora``. null: none.
    """
    permute: bool = False
    """Permutation control: permute the entries of each weight matrix, which destroys what
    pretraining learned.
    """
    lora: LoraSettings | None = LoraSettings()
    """Low-rank adapters. null: every weight is trained."""

    @property
    def source(self) -> str:
        """See :class:`BackboneConfig`."""
        return self.name

    @property
    def frozen_bytes(self) -> float | None:
        """See :class:`BackboneConfig`."""
        return BITS[self.quantize] if self.quantize else None

    def open(self, seed: int, *, empty: bool, download: bool) -> tuple[Network, Vocabulary]:
        """See :class:`.config.BackboneConfig`.

        Raises:
            UserError: see :func:`open_pretrained`.
        """
        from .vocabulary import Vocabulary

        model: Any
        model, tokenizer = open_pretrained(self, seed, empty=empty, download=download)
        return model, Vocabulary.of(tokenizer)

    def fingerprint(self) -> dict[str, str]:
        """See :class:`BackboneConfig`."""
        from .sources import fingerprint

        return fingerprint(self.name)

    @model_validator(mode="after")
    def _quantised_stay_frozen(self) -> Pretrained:
        if self.quantize and self.lora is None:
            raise ValueError("a quantized backbone trains through adapters only: set lora")
        if self.permute and self.quantize:
            raise ValueError("permute: quantised weights cannot be permuted; set quantize to null")
        return self


def open_pretrained(
    config: Pretrained, seed: int, *, empty: bool, download: bool
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model and the tokenizer of ``config``; see :meth:`.config.BackboneConfig.open`.

    Raises:
        UserError: the name is neither built in, nor a folder, nor reachable on the hub; it is not
            on this machine and may not be downloaded; or weights are missing or not in
            safetensors.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    from .blocks import permute_weights, select_blocks
    from .precision import dtype_of
    from .quiet import quiet
    from .sources import open_model

    quiet()
    # trainable weights are float32: bfloat16 loses relative updates below 1/256
    dtype = torch.float32 if config.lora is None else dtype_of(config.dtype)
    options: dict[str, object] = {"dtype": dtype}
    if config.quantize:
        options["quantization_config"] = _quantization(config.quantize)
    first = config.layers if isinstance(config.layers, int) else None
    if first is not None:
        options["num_hidden_layers"] = first

    def read(source: str, local: bool) -> tuple[Any, PreTrainedTokenizerBase, dict[str, list[str]]]:
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=local)
        shape = AutoConfig.from_pretrained(source, local_files_only=local)
        seq2seq = shape.is_encoder_decoder
        if seq2seq and first is not None:
            options["num_decoder_layers"] = first
        kind = AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM
        if empty:
            return _without_weights(kind, shape, options), tokenizer, NONE_MISSING
        model, loading_info = kind.from_pretrained(
            source, output_loading_info=True, use_safetensors=True, local_files_only=local,
            **options,
        )  # fmt: skip
        return model, tokenizer, loading_info

    model, tokenizer, loading_info = open_model(
        config.name, read, what="backbone", download=download,
        expected="'smollm2', a folder with a causal language model, or a hub name",
    )  # fmt: skip
    if missing := sorted(loading_info["missing_keys"]):
        raise UserError(
            f"backbone {config.name!r}: expected weights for all its layers, got none for "
            f"{len(missing)} ({missing[0]}, ...); lower backbone.layers or fix the folder"
        )
    if isinstance(config.layers, tuple):
        select_blocks(model, config.layers)
    if config.permute and not empty:
        permute_weights(model, derive_seed(seed, "dealt weights"))
    if config.quantize and not empty:
        _prepare_quantised(model)
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.bos_token or tokenizer.eos_token
    model.config.use_cache = False
    # the checkpoint's own sampling settings must not affect decoding
    model.generation_config = type(model.generation_config)(
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=getattr(model.config, "decoder_start_token_id", None),
    )
    return model, tokenizer


def _without_weights(
    kind: Any, shape: PretrainedConfig, options: dict[str, Any]
) -> PreTrainedModel:
    """A model of this ``shape`` without pretrained weights."""
    for key in ("num_hidden_layers", "num_decoder_layers"):
        if key in options:
            setattr(shape, key, options[key])
    model: PreTrainedModel = kind.from_config(shape, dtype=options["dtype"])
    return model


def _quantization(bits: str) -> BitsAndBytesConfig:
    """LLM.int8() (Dettmers et al. 2022, arXiv 2208.07339), or NF4 with quantised constants, as in
    QLoRA (Dettmers et al. 2023, arXiv 2305.14314)."""
    from transformers import BitsAndBytesConfig

    from .precision import dtype_of

    if bits == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype_of("bfloat16"),
    )


def _prepare_quantised(model: PreTrainedModel) -> None:
    """Norms, embedding and head in float32, as in QLoRA; 4-bit weights are never repacked.

    On a CPU bitsandbytes repacks 4-bit weights at the first forward pass in eval mode. That rounds
    the scales once more and blocks gradients, so a validation check would end the training of all
    layers but the last.
    """
    from bitsandbytes.nn import Linear4bit
    from peft import prepare_model_for_kbit_training

    prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    for layer in model.modules():
        if isinstance(layer, Linear4bit):
            layer.support_avx512bf16_for_cpu = False
