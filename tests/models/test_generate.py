"""Our search and our logits processor inside ``generate``, against ``generate`` itself."""

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


def fixed_rows() -> np.ndarray:
    codes = np.unique(np.random.default_rng(1).integers(0, [6, 7, 8], (90, 3)), axis=0)
    return codes + np.array([20, 40, 60])


def ragged_rows() -> np.ndarray:
    """Titles of one to four words, each closed by the end token; -1 behind it."""
    rng = np.random.default_rng(2)
    titles = {tuple(rng.integers(3, 9, int(rng.integers(1, 5))).tolist()) for _ in range(60)}
    out = np.full((len(titles), 5), -1)
    for row, title in enumerate(sorted(titles)):
        out[row, : len(title) + 1] = [*title, END]
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
def test_lists_are_those_of_generate(
    model: PreTrainedModel, prompts: dict[str, Tensor], normalisation: str, beams: int
) -> None:
    table = fixed_rows()
    rows, start = TokenSequences.build(table), before(model)
    processor = ItemLogitsProcessor(rows, start, END, normalisation)
    theirs = run(model, prompts, beams, 3, logits_processor=LogitsProcessorList([processor]))
    ours = run(model, prompts, beams, 3, custom_generate=ItemSearch(rows, normalisation))
    assert torch.equal(ours.sequences, theirs.sequences)
    assert torch.allclose(ours.sequences_scores, theirs.sequences_scores, atol=1e-4)
    if normalisation == "vocab":  # and the processor is transformers' own way
        after: dict[tuple[int, ...], set[int]] = {}
        for row in table.tolist():
            for n in range(3):
                after.setdefault(tuple(row[:n]), set()).add(row[n])
        plain = run(
            model, prompts, beams, 3,
            prefix_allowed_tokens_fn=lambda _, said: sorted(after[tuple(said[start:].tolist())]),
        )  # fmt: skip
        assert torch.equal(plain.sequences, theirs.sequences)
        assert torch.allclose(plain.sequences_scores, theirs.sequences_scores, atol=1e-5)


def test_with_beams_for_all_items_it_is_scoring_every_item(
    model: PreTrainedModel, prompts: dict[str, Tensor]
) -> None:
    table = ragged_rows()
    rows, start = TokenSequences.build(table), before(model)
    search = ItemSearch(rows)
    out = run(model, prompts, len(table), 5, custom_generate=search)
    items = search.items(out.sequences[:, start:]).view(4, -1)
    assert (items.sort(1).values == torch.arange(len(table))).all()
    scores = out.sequences_scores.view(4, -1)
    for b in range(4):
        wanted = [by_forcing(model, prompts, b, row[row >= 0].tolist()) for row in table]
        got = torch.empty(len(table)).scatter(0, items[b], scores[b])
        assert torch.allclose(got, torch.tensor(wanted), atol=1e-4)
        assert (scores[b].diff() <= 0).all()


def by_forcing(
    model: PreTrainedModel, prompts: dict[str, Tensor], b: int, said: list[int]
) -> float:
    """An answer's log-probability in one plain pass."""
    ids = prompts["input_ids"][b][prompts["attention_mask"][b].bool()][None]
    answer = torch.tensor([said])
    with torch.inference_mode():
        if model.config.is_encoder_decoder:
            begin = torch.cat([torch.zeros(1, 1, dtype=torch.long), answer[:, :-1]], dim=1)
            logits = model(input_ids=ids, decoder_input_ids=begin).logits[0]
        else:
            whole = torch.cat([ids, answer], dim=1)
            logits = model(input_ids=whole).logits[0, ids.shape[1] - 1 : -1]
    return float(logits.log_softmax(-1).gather(1, answer.T).sum())


def test_answers_name_items_however_many_tokens_they_have() -> None:
    search = ItemSearch(TokenSequences.build(ragged_rows()))
    table = torch.from_numpy(ragged_rows())
    every = torch.arange(len(table))
    longer = torch.cat([table.clamp(min=0), table[:, :2] * 0], dim=1)
    assert torch.equal(search.items(longer), every)
    lengths = (table >= 0).sum(1)
    short = lengths == 2
    assert torch.equal(search.items(table[short, :2]), every[short])
    assert (search.items(table[~short, :1]) == -1).all()


def test_only_allowed_items_and_pads_where_there_are_no_more(
    model: PreTrainedModel, prompts: dict[str, Tensor]
) -> None:
    rows, start = TokenSequences.build(fixed_rows()), before(model)
    only = Allowed(allow=ItemLists.joined([[1, 2], [3], [4, 5, 6], [7, 8, 9, 10]]))
    search = ItemSearch(rows, allowed=only)
    out = run(model, prompts, 3, 3, custom_generate=search)
    items = search.items(out.sequences[:, start:]).view(4, 3).tolist()
    assert [sorted(i for i in row if i >= 0) for row in items][:3] == [[1, 2], [3], [4, 5, 6]]
    assert len(set(items[3]) & {7, 8, 9, 10}) == 3
    assert items[1][1:] == [-1, -1]
