"""bfloat16 on processors with and without instructions for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import llama, make_bundle, save_llama, scratch, some_codes

from p5rec.backbones.load import load_backbone
from p5rec.backbones.precision import computing, dtype_of, fast_dtype
from p5rec.backbones.pretrained import Pretrained

CPU = torch.device("cpu")


@pytest.mark.parametrize("feature", ["avx512_bf16", "amx_bf16"])
def test_a_processor_with_instructions_computes_in_bfloat16(
    feature: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, feature: True})
    assert fast_dtype(CPU) == dtype_of("bfloat16") == torch.bfloat16
    assert dtype_of("float32") == torch.float32


def test_a_processor_without_them_computes_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert fast_dtype(CPU) == dtype_of("bfloat16") == torch.float32
    backbone: Pretrained = llama(save_llama(tmp_path), lora=True)
    frozen = load_backbone(backbone.model_copy(update={"dtype": "bfloat16"}), (), seed=0).model
    assert {parameter.dtype for parameter in frozen.parameters()} == {torch.float32}
    ready = make_bundle(scratch(), some_codes()).ready("bfloat16").model.causal
    assert {parameter.dtype for parameter in ready.parameters()} == {torch.float32}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_products_are_computed_in_the_format(dtype: torch.dtype) -> None:
    with computing(dtype):
        assert torch.nn.functional.linear(torch.ones(2, 3), torch.ones(4, 3)).dtype == dtype
