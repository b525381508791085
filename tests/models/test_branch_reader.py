"""Prompts that continue a shared history have the outputs of whole prompts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import llama, make_bundle, save_gpt2, save_llama, save_t5, scratch, some_codes
from torch import Tensor
from transformers import LogitsProcessorList

from p5rec.models.bundle import Bundle
from p5rec.models.decoder_readers import DecoderBranchReader
from p5rec.models.inputs import pad
from p5rec.models.readers import BranchReader, TakenReader
from p5rec.models.scorer import branch_reader, code_scorer, prompt_reader
from p5rec.models.text_generation import token_by_token

OF = [1, 0, 1, 2, 2, 1]  # the history of each prompt


@pytest.fixture(
    scope="module", params=["scratch", "scratch tokens", "llama", "gpt2", "t5", "t5 tokens"]
)
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    name, _, items = request.param.partition(" ")
    shape = {"items": items or "positions"}
    folder: Path = tmp_path_factory.mktemp("model")
    save = {"llama": save_llama, "gpt2": save_gpt2, "t5": save_t5}
    config = scratch(**shape) if name == "scratch" else llama(save[name](folder), **shape)
    return make_bundle(config, some_codes()).ready()


def histories(bundle: Bundle) -> tuple[Tensor, Tensor]:
    rng, items = np.random.default_rng(1), bundle.layout.items
    chosen = [np.append(bundle.bos, items[rng.integers(0, 24, n)]) for n in (7, 1, 4)]
    return pad(chosen, bundle.tokenizer.pad_token_id)


def prompts(bundle: Bundle) -> tuple[BranchReader | DecoderBranchReader, Tensor, Tensor]:
    """The reader of six prompts after three histories, and the same as whole prompts."""
    between = [bundle.model.start] if bundle.model.seq2seq else []
    rng, items = np.random.default_rng(0), bundle.layout.items
    asked = [np.append(rng.integers(3, 200, n), items[n]) for n in (3, 8, 1, 5, 2, 2)]
    read, filler = histories(bundle), bundle.tokenizer.pad_token_id
    past = [ids[real > 0] for ids, real in zip(*(each.numpy() for each in read), strict=True)]
    whole = [
        np.concatenate([past[h], between, each]).astype(np.int64)
        for h, each in zip(OF, asked, strict=True)
    ]
    reader = branch_reader(bundle.model, read, pad(asked, filler), torch.tensor(OF))
    return reader, *pad(whole, filler)


@torch.inference_mode()
def test_outputs_equal_those_of_whole_prompts(bundle: Bundle) -> None:
    reader, ids, mask = prompts(bundle)
    expected = prompt_reader(bundle.model, ids, mask).read()
    assert torch.allclose(reader.read(), expected, atol=1e-5)
    alone = prompt_reader(bundle.model, *histories(bundle)).read()
    assert torch.allclose(reader.of_histories().read(), alone, atol=1e-4)


@torch.inference_mode()
def test_items_and_texts_follow_some_of_the_prompts(bundle: Bundle) -> None:
    reader, ids, mask = prompts(bundle)
    rows = torch.tensor([4, 0, 3])
    taken = TakenReader(reader, reader.read(), rows)
    whole = prompt_reader(bundle.model, ids[rows], mask[rows])
    codes = torch.from_numpy(bundle.layout.codes.codes).long()
    parents = torch.zeros(3, len(codes), dtype=torch.int64)
    logs = []
    for each in (taken, whole):
        scorer = code_scorer(bundle.model, each)
        logs += [scorer.start(), scorer.step(codes[:, 0].expand(3, -1), parents)]
    assert torch.allclose(logs[0], logs[2], atol=1e-4)
    assert torch.allclose(logs[1], logs[3], atol=1e-4, rtol=1e-4)
    again = TakenReader(reader, reader.read(), rows)
    ends = {"most": 5, "end": bundle.tokenizer.eos_token_id, "filler": 0}
    texts = [
        token_by_token(bundle.model, each, LogitsProcessorList(), **ends)
        for each in (again, prompt_reader(bundle.model, ids[rows], mask[rows]))
    ]
    assert texts[0].tolist() == texts[1].tolist()
