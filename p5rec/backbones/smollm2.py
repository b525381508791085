"""Converts SmolLM2-135M-Instruct from its GGUF file to safetensors, once, and caches it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from secrets import token_hex

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from p5rec.core.paths import cache_home
from p5rec.data.fetch import fetch

from .quiet import quiet


def _cache_folder() -> Path:
    return cache_home() / "converted" / "smollm2"


def converted() -> bool:
    """Whether the converted model is in the cache."""
    return (_cache_folder() / "model.safetensors").is_file()


def smollm2_folder() -> Path:
    """The folder with the converted model (bfloat16) and tokenizer; converted on first use."""
    final = _cache_folder()
    if converted():
        return final
    quiet()
    source = fetch("smollm2")
    gguf = next(source.glob("*.gguf")).name
    work = final.with_name(f".smollm2.{token_hex(4)}.work")
    try:
        with torch.device("cpu"):  # the caller may be on the meta device
            model = AutoModelForCausalLM.from_pretrained(
                source,
                gguf_file=gguf,
                dtype=torch.float32,
                quantization_config=GgufConfig(dequantize=True),
            )
        model.to(torch.bfloat16).save_pretrained(work)
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=gguf)
        # the file pads with the end token, which would exclude it from the loss of every target
        tokenizer.pad_token = "<|endoftext|>"
        tokenizer.save_pretrained(work)
        try:
            os.replace(work, final)
        except OSError:  # another process was faster
            if not converted():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return final
