"""SmolLM2-135M-Instruct out of its GGUF file, converted once to safetensors and cached."""

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


def _place() -> Path:
    return cache_home() / "converted" / "smollm2"


def converted() -> bool:
    """Whether the converted model is in the cache."""
    return (_place() / "model.safetensors").is_file()


def smollm2_folder() -> Path:
    """The folder with the converted model (bfloat16) and tokenizer, made on first use."""
    final = _place()
    if converted():
        return final
    quiet()
    source = fetch("smollm2")
    gguf = next(source.glob("*.gguf")).name
    work = final.with_name(f".smollm2.{token_hex(4)}.work")
    try:
        with torch.device("cpu"):  # a caller may be making shapes alone
            model = AutoModelForCausalLM.from_pretrained(
                source,
                gguf_file=gguf,
                dtype=torch.float32,
                quantization_config=GgufConfig(dequantize=True),
            )
        model.to(torch.bfloat16).save_pretrained(work)
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=gguf)
        # the file pads with the end token, which would hide the end of every answer from the loss
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
