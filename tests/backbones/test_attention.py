"""Attention by matrix products against PyTorch's attention."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import llama, make_bundle, save_llama
from torch.nn.functional import scaled_dot_product_attention

from p5rec.backbones.attention import NAME, short_attention


@pytest.mark.parametrize(("heads", "groups"), [(4, 4), (6, 2), (4, 1)])
@pytest.mark.parametrize("masked", [False, True])
def test_it_is_softmax_attention(heads: int, groups: int, masked: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(3, heads, 5, 8, generator=generator)
    key, value = torch.randn(2, 3, groups, 7, 8, generator=generator)
    seen = torch.rand(3, 1, 5, 7, generator=generator) < 0.6
    seen[..., 0] = True
    added = torch.zeros(seen.shape).masked_fill(~seen, -1e9) if masked else None
    actual, _ = short_attention(torch.nn.Identity(), query, key, value, added, scaling=0.3)
    each = heads // groups
    expected = scaled_dot_product_attention(
        query, key.repeat_interleave(each, 1), value.repeat_interleave(each, 1), added, scale=0.3
    )
    assert torch.allclose(actual, expected.transpose(1, 2), atol=1e-5)


@torch.inference_mode()
def test_a_model_in_inference_mode_has_the_same_logits(tmp_path: Path) -> None:
    bundle = make_bundle(llama(save_llama(tmp_path)))
    model = bundle.model.eval().causal
    ids = torch.randint(3, 250, (3, 20), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, :6] = 0
    before = [model(input_ids=ids).logits, model(input_ids=ids, attention_mask=mask).logits[1, 6:]]
    bundle.ready()
    assert model.config._attn_implementation == NAME
    after = [model(input_ids=ids).logits, model(input_ids=ids, attention_mask=mask).logits[1, 6:]]
    for one, two in zip(before, after, strict=True):
        assert torch.allclose(one, two, atol=2e-5)
