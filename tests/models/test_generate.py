"""The item search and the logits processor inside ``generate``, compared with ``generate``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LogitsProcessorList,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)

from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.decode.processor import ItemLogitsProcessor
from p5rec.decode.token_sequences import TokenSequences
from p5rec.models.generate import ItemSearch

VOCABULARY, END, LENGTH = 120, 1, 11


@pytest.fixture(scope="module", params=["llama", "t5"])
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    torch.manual_seed(0)
    made: Any
    if request.param == "llama":
        shape = LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=32, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, initializer_range=0.3,
        )  # fmt: skip
        made = LlamaForCausalLM(shape)
    else:
        made = T5ForConditionalGeneration(
            T5Config(vocab_size=VOCABULARY, d_model=32, d_kv=8, d_ff=32, num_layers=2,
                     num_heads=4, decoder_start_token_id=0)
        )  # fmt: skip
        for parameter in made.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.15)
    made.generation_config.update(eos_token_id=END, pad_token_id=0, do_sample=False)
    return made.eval()


@pytest.fixture(scope="module")
def prompts() -> dict[str, Tensor]:
    ids = torch.from_numpy(np.random.default_rng(0).integers(3, VOCABULARY, (4, LENGTH)))
    mask = torch.ones_like(ids)
    mask[1, :4], mask[3, :8] = 0, 0
    return {"input_ids": ids * mask, "attention_mask": mask}


def equal_length_titles() -> np.ndarray:
    codes = np.unique(np.random.default_rng(1).integers(0, [6, 7, 8], (90, 3)), axis=0)
    return codes + np.array([20, 40, 60])


def titles_of_any_length() -> np.ndarray:
    """Titles of one to four words and the end token, padded with -1."""
    rng = np.random.default_rng(2)
    titles = {tuple(rng.integers(3, 9, int(rng.integers(1, 5))).tolist()) for _ in range(60)}
    out = np.full((len(titles), 5), -1)
    for tokens_of_item, title in enumerate(sorted(titles)):
        out[tokens_of_item, : len(title) + 1] = [*title, END]
    return out


def before(model: PreTrainedModel) -> int:
    return 1 if model.config.is_encoder_decoder else LENGTH


def run(model: PreTrainedModel, prompts: dict[str, Tensor], beams: int, words: int, **how: Any):
    return model.generate(
        **prompts, num_beams=beams, num_return_sequences=beams, max_new_tokens=words,
        length_penalty=0.0, return_dict_in_generate=True, output_scores=True, **how,
    )  # fmt: skip


@pytest.mark.parametrize("normalisation", ["vocab", "level", "items"])
@pytest.mark.parametrize("beams", [2, 9])
def test_recommendations_equal_those_of_generate(
    model: PreTrainedModel, prompts: dict[str, Tensor], normalisation: str, beams: int
) -> None:
    table = equal_length_titles()
    items_as_tokens, start = TokenSequences.build(table), before(model)
    processor = ItemLogitsProcessor(items_as_tokens, start, END, normalisation)
    theirs = run(model, prompts, beams, 3, logits_processor=LogitsProcessorList([processor]))
    ours = run(model, prompts, beams, 3, custom_generate=ItemSearch(items_as_tokens, normalisation))
    assert torch.equal(ours.sequences, theirs.sequences)
    assert torch.allclose(ours.sequences_scores, theirs.sequences_scores, atol=1e-4)
    if normalisation == "vocab":  # and the processor agrees with transformers
        after: dict[tuple[int, ...], set[int]] = {}
        for tokens_of_item in table.tolist():
            for n in range(3):
                after.setdefault(tuple(tokens_of_item[:n]), set()).add(tokens_of_item[n])
        plain = run(
            model, prompts, beams, 3,
            prefix_allowed_tokens_fn=lambda _, ids: sorted(after[tuple(ids[start:].tolist())]),
        )  # fmt: skip
        assert torch.equal(plain.sequences, theirs.sequences)
        assert torch.allclose(plain.sequences_scores, theirs.sequences_scores, atol=1e-5)


def test_with_beams_for_all_items_it_scores_every_item(
    model: PreTrainedModel, prompts: dict[str, Tensor]
) -> None:
    table = titles_of_any_length()
    items_as_tokens, start = TokenSequences.build(table), before(model)
    search = ItemSearch(items_as_tokens)
    out = run(model, prompts, len(table), 5, custom_generate=search)
    items = search.items(out.sequences[:, start:]).view(4, -1)
    assert (items.sort(1).values == torch.arange(len(table))).all()
    scores = out.sequences_scores.view(4, -1)
    for b in range(4):
        expected = [
            by_forcing(model, prompts, b, tokens_of_item[tokens_of_item >= 0].tolist())
            for tokens_of_item in table
        ]
        got = torch.empty(len(table)).scatter(0, items[b], scores[b])
        assert torch.allclose(got, torch.tensor(expected), atol=1e-4)
        assert (scores[b].diff() <= 0).all()


def by_forcing(
    model: PreTrainedModel, prompts: dict[str, Tensor], b: int, tokens: list[int]
) -> float:
    """The log-probability of tokens in one forward pass."""
    ids = prompts["input_ids"][b][prompts["attention_mask"][b].bool()][None]
    target = torch.tensor([tokens])
    with torch.inference_mode():
        if model.config.is_encoder_decoder:
            begin = torch.cat([torch.zeros(1, 1, dtype=torch.long), target[:, :-1]], dim=1)
            logits = model(input_ids=ids, decoder_input_ids=begin).logits[0]
        else:
            all_ids = torch.cat([ids, target], dim=1)
            logits = model(input_ids=all_ids).logits[0, ids.shape[1] - 1 : -1]
    return float(logits.log_softmax(-1).gather(1, target.T).sum())


def test_generated_tokens_map_to_items_at_any_length() -> None:
    search = ItemSearch(TokenSequences.build(titles_of_any_length()))
    table = torch.from_numpy(titles_of_any_length())
    every = torch.arange(len(table))
    longer = torch.cat([table.clamp(min=0), table[:, :2] * 0], dim=1)
    assert torch.equal(search.items(longer), every)
    lengths = (table >= 0).sum(1)
    short = lengths == 2
    assert torch.equal(search.items(table[short, :2]), every[short])
    assert (search.items(table[~short, :1]) == -1).all()


def test_only_allowed_items_then_padding(
    model: PreTrainedModel, prompts: dict[str, Tensor]
) -> None:
    items_as_tokens, start = TokenSequences.build(equal_length_titles()), before(model)
    allowed = Allowed(allow=ItemLists.joined([[1, 2], [3], [4, 5, 6], [7, 8, 9, 10]]))
    search = ItemSearch(items_as_tokens, allowed=allowed)
    out = run(model, prompts, 3, 3, custom_generate=search)
    items = search.items(out.sequences[:, start:]).view(4, 3).tolist()
    assert [sorted(i for i in tokens_of_item if i >= 0) for tokens_of_item in items][:3] == [
        [1, 2],
        [3],
        [4, 5, 6],
    ]
    assert len(set(items[3]) & {7, 8, 9, 10}) == 3
    assert items[1][1:] == [-1, -1]
