"""A backbone by name: weights, tokenizer, new item tokens, adapters."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from bitsandbytes.nn import Linear4bit
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from torch import nn
from transformers import (
    AddedToken,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.pytorch_utils import Conv1D

from p5rec.core.artefacts import file_sha256
from p5rec.core.errors import UserError, did_you_mean
from p5rec.core.rng import derive_seed

from .blocks import keep_blocks
from .config import BackboneConfig, LoraSettings
from .deal import deal_out
from .grow import grow
from .quiet import quiet
from .scratch import build_scratch, byte_tokenizer
from .sources import opened

BUILT_IN = ("scratch", "smollm2", "minilm")
NONE_MISSING: dict[str, list[str]] = {"missing_keys": []}
LAST = "default"  # the adapter that trains, as peft names the only one


@dataclass(frozen=True, eq=False)
class Backbone:
    """A language model ready for items: a decoder, or an encoder and a decoder.

    Attributes:
        model: the model, its new rows and (where asked) its adapters the only trainable weights.
        tokenizer: knows the new tokens.
        first_new: the token id of the first new token; the others follow in order.
    """

    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
    first_new: int

    @property
    def causal(self) -> PreTrainedModel:
        """The model under its adapters."""
        return self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model


def load_backbone(
    config: BackboneConfig,
    new_tokens: Sequence[str],
    seed: int,
    below: Sequence[LoraSettings] = (),
    *,
    empty: bool = False,
    download: bool = False,
) -> Backbone:
    """The backbone that ``config`` names, grown by ``new_tokens``.

    Args:
        below: adapters of earlier trainings, oldest first; they stay as they are.
        empty: shapes without numbers, on the ``meta`` device and not quantised: of a folder or a
            hub name the configuration and the tokenizer alone are read.
        download: whether what is not on this machine may be fetched.

    Raises:
        UserError: the name is neither built in, nor a folder, nor reachable on the hub; it is not
            on this machine and may not be downloaded; its weights are no safetensors, or not
            whole; its tokenizer and its matrix do not fit together; or a
            layer to adapt does not exist.
    """
    quiet()
    where = torch.device("meta") if empty else nullcontext()
    with where:
        model, tokenizer = _open(config, seed, empty, download)
        model.config.use_cache = False
        first_new = model.get_input_embeddings().num_embeddings
        model = grow(model, len(new_tokens), derive_seed(seed, "new rows"))
    # where the matrix is wider than the tokenizer, fill the gap so that ids match rows
    gap = [f"<|unused_{i}|>" for i in range(len(tokenizer), first_new)]
    # special tokens would vanish from what a server decodes, which skips them
    added = [AddedToken(word, normalized=False, special=False) for word in (*gap, *new_tokens)]
    tokenizer.add_tokens(added)
    rows = range(first_new, first_new + len(new_tokens))
    if tokenizer.convert_tokens_to_ids(list(new_tokens)) != list(rows):
        raise UserError(
            f"backbone {config.name!r}: expected new tokens to take the ids from {first_new} on, "
            "got a tokenizer that knows more words than the model, or some of ours already; "
            "choose another model"
        )
    if config.lora is not None:
        with where:
            model = adapt(model, [*below, config.lora], derive_seed(seed, "adapters"))
    return Backbone(model, tokenizer, first_new)


def adapt(model: PreTrainedModel, stack: Sequence[LoraSettings], seed: int) -> PeftModel:
    """``model`` with low-rank adapters that add up; besides the last only the new rows train.

    Raises:
        UserError: ``lora.targets`` names a layer that the blocks do not have.
    """
    configs = [_lora_config(model, lora) for lora in stack]
    names = stack_names(len(stack))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        adapted = get_peft_model(model, configs[0], names[0])
        for name, config in zip(names[1:], configs[1:], strict=True):
            adapted.add_adapter(name, config)
    adapted.base_model.set_adapter(names, inference_mode=True)
    for name, parameter in adapted.named_parameters():
        parameter.requires_grad_(name.endswith(".new") or f".{LAST}." in name)
    return adapted


def stack_names(n: int) -> list[str]:
    """What peft is told to call ``n`` adapters, oldest first."""
    return [*(f"stage-{k}" for k in range(1, n)), LAST]


def _lora_config(model: PreTrainedModel, lora: LoraSettings) -> LoraConfig:
    known = block_linears(model)
    chosen = {target: fnmatch.filter(known, target) for target in lora.targets}
    if strange := sorted(target for target, names in chosen.items() if not names):
        raise UserError(
            *(f"lora.targets: expected a linear layer, got {n!r}; {did_you_mean(n, known)}"
              for n in strange)
        )  # fmt: skip
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=sorted({name for names in chosen.values() for name in names}) or known,
        use_rslora=lora.rslora,
        use_dora=lora.dora,
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
        task_type="SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM",
    )


def block_linears(model: PreTrainedModel) -> list[str]:
    """Names of the linear layers inside the decoder blocks, the head left out.

    GPT-2 writes its linear layers as a transposed ``Conv1D``.
    """
    head, kinds = set(model.get_output_embeddings().modules()), (nn.Linear, Conv1D)
    linears = [n for n, m in model.named_modules() if isinstance(m, kinds) and m not in head]
    return sorted({name.rsplit(".", 1)[-1] for name in linears})


def _open(
    config: BackboneConfig, seed: int, empty: bool, download: bool
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    if config.name == "scratch":
        return build_scratch(config.scratch, derive_seed(seed, "weights")), byte_tokenizer()
    # what trains is float32, whatever the arithmetic: bfloat16 loses an update below 1/256
    dtype = "float32" if config.lora is None else config.dtype
    options: dict[str, object] = {"dtype": getattr(torch, dtype)}
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
            return _unfilled(kind, shape, options), tokenizer, NONE_MISSING
        model, found = kind.from_pretrained(
            source, output_loading_info=True, use_safetensors=True, local_files_only=local,
            **options,
        )  # fmt: skip
        return model, tokenizer, found

    model, tokenizer, found = opened(
        config.name, read, what="backbone", download=download,
        expected="'smollm2', 'scratch', a folder with a causal language model, or a hub name",
    )  # fmt: skip
    if missing := sorted(found["missing_keys"]):
        raise UserError(
            f"backbone {config.name!r}: expected weights for all its layers, got none for "
            f"{len(missing)} ({missing[0]}, ...); lower backbone.layers or mend the folder"
        )
    if isinstance(config.layers, tuple):
        keep_blocks(model, config.layers)
    if config.permute and not empty:
        deal_out(model, derive_seed(seed, "dealt weights"))
    if config.quantize and not empty:
        _prepare_quantised(model)
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.bos_token or tokenizer.eos_token
    # the checkpoint's sampling habits must not steer our decoding (protocol, leak 6)
    model.generation_config = type(model.generation_config)(
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=getattr(model.config, "decoder_start_token_id", None),
    )
    return model, tokenizer


def _unfilled(kind: Any, shape: PretrainedConfig, options: dict[str, Any]) -> PreTrainedModel:
    """A model of this ``shape``, its weights not read."""
    for key in ("num_hidden_layers", "num_decoder_layers"):
        if key in options:
            setattr(shape, key, options[key])
    model: PreTrainedModel = kind.from_config(shape, dtype=options["dtype"])
    return model


def _quantization(bits: str) -> BitsAndBytesConfig:
    """LLM.int8() (Dettmers et al. 2022, arXiv 2208.07339), or NF4 with quantised constants, as in
    QLoRA (Dettmers et al. 2023, arXiv 2305.14314)."""
    if bits == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def _prepare_quantised(model: PreTrainedModel) -> None:
    """Norms, embedding and head in float32, as in QLoRA; the 4-bit weights left as they lie.

    On a CPU bitsandbytes repacks them at the first look in eval mode: the scales are rounded once
    more, and no gradient passes them from then on, so a look at validation would end the training
    of all layers but the last.
    """
    prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    for layer in model.modules():
        if isinstance(layer, Linear4bit):
            layer.support_avx512bf16_for_cpu = False


def fingerprint(name: str) -> dict[str, str]:
    """Hashes of the files behind a backbone or text encoder where ``name`` is a folder of the
    user's: what is in it may change under the same name."""
    folder = Path(name)
    if name in BUILT_IN or not folder.is_dir():
        return {}
    return {p.name: file_sha256(p) for p in sorted(folder.iterdir()) if p.is_file()}
