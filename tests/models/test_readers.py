"""Prompts in chunks, or with a shared prefix, against one forward pass."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from test_scorer import by_steps, make, prompts

from p5rec.models import readers


@torch.inference_mode()
@pytest.mark.parametrize("kind", ["llama tokens", "llama eager tokens", "gpt2 lora tokens"])
def test_chunks_and_shared_prefixes_do_not_change_outputs(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make(kind, tmp_path)
    ids, mask = prompts(bundle, [9, 5, 30, 4])
    opening = torch.arange(20, 45).expand(4, -1)
    ids = torch.cat([opening, ids], dim=1)
    mask = torch.cat([torch.ones_like(opening), mask], dim=1)
    shapes: list[tuple[int, int]] = []
    decoder, plain = bundle.model.decoder, bundle.model.decoder.forward

    def counted(**inputs):
        prompt = inputs.get("inputs_embeds")
        shapes.extend([] if prompt is None else [tuple(prompt.shape[:2])])
        return plain(**inputs)

    monkeypatch.setattr(decoder, "forward", counted)
    monkeypatch.setattr(readers, "MIN_SHARED_TOKENS", 10**9)
    at_once = by_steps(bundle, ids, mask, 0)
    assert shapes == [tuple(ids.shape)]
    monkeypatch.setattr(readers, "MIN_SHARED_TOKENS", 16)
    shapes.clear()
    shared = by_steps(bundle, ids, mask, 0)
    assert shapes == [(1, 25), (4, ids.shape[1] - 25)]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(readers, "CACHED_TOKENS", ids.shape[1])
    shapes.clear()
    in_chunks = by_steps(bundle, ids, mask, 0)
    assert shapes == [(1, 25), *[(2, ids.shape[1] - 25)] * 2]
    assert torch.allclose(shared, at_once, atol=2e-5)
    assert torch.allclose(in_chunks, at_once, atol=2e-5)
