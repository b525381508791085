"""A backbone is one file and an entry in the registry; every command supports it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from commands import enter, figures, output_of, result
from oracles import score_codes
from tiny_models import make_bundle, scratch, some_codes
from torch import Tensor
from torch.testing import assert_close
from transformers import LogitsProcessorList

from p5rec.backbones.adapters import adapt
from p5rec.backbones.config import BackboneConfig, LoraSettings
from p5rec.backbones.registry import BACKBONES
from p5rec.core.errors import UserError
from p5rec.decode.beam import beam_search
from p5rec.models.bundle import Bundle
from p5rec.models.checkpoint import load_bundle, save_bundle
from p5rec.models.inputs import pad
from p5rec.models.scorer import code_scorer, prompt_reader
from p5rec.models.text_generation import generate_tokens

RECIPE = """
data: {source: synthetic, synthetic: {kind: markov, users: 40, items: 24, events: 8}}
ids: {semantic: {levels: 2, codebook: 6, vectors: {text: null, cooccurrence: {dim: 4}}}}
baselines: [popularity]
methods:
  mine:
    backbone: {kind: gru, width: 24, layers: 1}
    train: {steps: 40, batch: 8, learning_rate: 0.02, precision: float32, warmup: 3,
            tasks: {next-item: {share: 3}, rating: {}}}
    decode: {max_new_tokens: 4}
repeats: 2
evaluate: {k: 10, prompts: {rating: 10}, compare: [[mine, popularity]]}
"""


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES._targets, "gru", "gru:Gru")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return enter(tmp_path, RECIPE, monkeypatch)


def gru(**settings: Any) -> BackboneConfig:
    config: BackboneConfig = BACKBONES.get("gru")(**settings)
    return config


def test_a_new_backbone_works_in_every_command(here: Path) -> None:
    planned = json.loads(output_of("plan", "my.yaml", "--json"))["mine"]
    body = 24 * 3 * 24 * 2 + 2 * 72 + 24 * 24 + 24  # GRU and linear layer
    weights = planned["weights"]
    assert weights["total"] - weights["embeddings"] - weights["heads"] == body + 259 * 24
    assert planned["memory"]["activations"] > 0
    output_of("run", "my.yaml")
    measured = figures("runs/my")
    by_seed = measured["mine"]["by_seed"]["HR@10"]
    assert len(by_seed) == 2
    value = {name: m["metrics"]["HR@10"]["value"] for name, m in measured.items()}
    assert value["mine"] > value["popularity"]
    assert "mine (text)" in figures("runs/my", "rating")
    output_of("evaluate", "--model", "runs/my/models/mine", "--out", "again")
    assert figures("again")["mine"]["metrics"]["HR@10"]["value"] == by_seed[0]
    output_of("recommend", "--model", "runs/my/models/mine", "--out", "lists.csv", "--k", "5")
    assert (pl.read_csv("lists.csv").group_by("user").len()["len"] == 5).all()
    assert "mine" in output_of("report", "show", "runs/my")
    output_of("run", "my.yaml", "repeats=1", "--permute", "history")
    permuted = figures("runs/my-permute-history")["mine"]["metrics"]["HR@10"]["value"]
    assert permuted < value["mine"]
    for words, expected in (
        (("run", "my.yaml", "--permute", "weights"), "got a recipe without"),
        (("run", "my.yaml", "methods.mine.train.packing=64"), "train.packing: expected none"),
        (("export", "runs/my/models/mine", "--out", "plain"), "got backbone.kind: gru"),
    ):
        actual = result(*words)
        assert expected in str(actual.exception) + actual.output


def prompts(bundle: Bundle) -> tuple[Tensor, Tensor]:
    """Prompts of items and words, of several lengths."""
    items = bundle.layout.items
    rows = [np.concatenate([[1, 40 + n], *items[n : 2 * n]]) for n in (1, 7, 3, 9)]
    return pad(rows, bundle.tokenizer.pad_token_id)


@pytest.mark.parametrize("items", ["positions", "tokens"])
@torch.inference_mode()
def test_recommendations_equal_those_of_scoring_every_item(items: str) -> None:
    codes = some_codes(24, (4, 3, 4))
    bundle = make_bundle(gru(items=items, item_embeddings=items == "positions"), codes).ready()
    ids, mask = prompts(bundle)
    reference = score_codes(bundle.model, ids, mask, torch.from_numpy(codes.codes).long())
    trie = bundle.model.trie
    scorer = code_scorer(bundle.model, prompt_reader(bundle.model, ids, mask))
    ranks = trie.subtree_min(torch.arange(24))
    actual, scores = beam_search(scorer, trie, 24, k=24, ranks=ranks)
    assert_close(scores, reference.gather(1, actual), rtol=1e-4, atol=1e-4)


def written(bundle: Bundle, ids: Tensor, mask: Tensor) -> list[list[int]]:
    tokenizer, rules = bundle.tokenizer, LogitsProcessorList()
    ends = {"end": tokenizer.eos_token_id, "filler": tokenizer.pad_token_id}
    tokens: list[list[int]] = generate_tokens(
        bundle.model, (ids, mask), rules, most=6, **ends
    ).tolist()
    return tokens


@torch.inference_mode()
def test_text_is_generated_token_by_token(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = make_bundle(gru(), some_codes()).ready()
    ids, mask = prompts(bundle)
    together = written(bundle, ids, mask)
    for row, text in enumerate(together):
        prefix = ids[row, : int(mask[row].sum())]
        for token in text:
            embedded, _ = bundle.model.embed(prefix[None])
            state = bundle.model.states(inputs_embeds=embedded)[0, -1]
            likeliest = int(bundle.model.causal.get_output_embeddings()(state).argmax())
            assert token == likeliest
            prefix = torch.cat([prefix, torch.tensor([token])])
    # equal to the loop of transformers
    other = make_bundle(scratch(), some_codes()).ready()
    own = written(other, *prompts(other))
    monkeypatch.delattr("transformers.generation.utils.GenerationMixin.generate")
    assert not hasattr(other.model.causal, "generate")
    assert written(other, *prompts(other)) == own


@pytest.mark.parametrize("lora", [None, LoraSettings(rank=2)])
def test_it_is_saved_and_loaded_to_the_bit(lora: LoraSettings | None, tmp_path: Path) -> None:
    bundle = make_bundle(gru(lora=lora), some_codes(), scale=(1.0, 2.0)).ready()
    save_bundle(bundle, tmp_path)
    loaded = load_bundle(tmp_path).ready()
    assert loaded.settings == bundle.settings
    both = bundle.model.state_dict(), loaded.model.state_dict()
    assert both[0].keys() == both[1].keys()
    assert all(torch.equal(weight, both[1][name]) for name, weight in both[0].items())
    learn = {n for n, p in loaded.model.named_parameters() if p.requires_grad}
    assert any("gru" in name for name in learn) == (lora is None)
    assert any("lora_B" in name for name in learn) == (lora is not None)


def test_a_network_without_linear_layers_takes_no_adapters() -> None:
    network, _ = gru().open(0, empty=False, download=False)
    network.get_decoder().out = torch.nn.Identity()
    with pytest.raises(UserError, match="expected a network with linear layers, got Recurrent"):
        adapt(network, [LoraSettings()], 0)


def test_its_settings_are_its_own(here: Path) -> None:
    actual = result("plan", "my.yaml", "methods.mine.backbone.dtype=float32", "recipe=1")
    assert "expected a known key, got 'methods.mine.backbone.dtype'" in str(actual.exception)
    actual = result("plan", "my.yaml", "methods.mine.backbone.kind=grru")
    assert "expected a kind of backbone" in str(actual.exception)
