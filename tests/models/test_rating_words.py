"""Whole rating words scored after a prompt, against one pass over each word written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import make_bundle, scratch, some_codes

from p5rec.models.checkpoint import Bundle
from p5rec.models.inputs import pad
from p5rec.models.ratings import rating_words
from p5rec.models.words import RatingWordScorer
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.ratings import estimate_ratings

SCALES = [(1.0, 2.0, 3.0, 4.0, 5.0), (0.5, 1.0, 3.0, 3.5, 10.0)]


def made(scale: tuple[float, ...], items: str = "positions") -> Bundle:
    bundle = make_bundle(scratch(items=items), some_codes(), scale=scale).ready()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # let words differ as much as a trained model's do
        for parameter in bundle.model.causal.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return bundle


def prompts(bundle: Bundle) -> list[np.ndarray]:
    texts = ["How much for <a_1><b_2>?", "<a_5><b_0>3<a_3><b_3>", "Say: "]
    return [np.array(bundle.tokenizer(text)["input_ids"]) for text in texts]


@torch.no_grad()
def by_enumeration(bundle: Bundle, prompt: np.ndarray) -> np.ndarray:
    """``(R,)``: log-probability of each word, from a pass over the prompt and the word."""
    found = []
    for word in rating_words(bundle.tokenizer, bundle.settings.scale):
        embedded, at = bundle.model.embed(torch.from_numpy(np.concatenate([prompt, word]))[None])
        hidden = bundle.model.decoder(inputs_embeds=embedded).last_hidden_state[0]
        logs = bundle.model.causal.get_output_embeddings()(hidden).log_softmax(-1)
        before = at.places[0, len(prompt) :] - 1
        found.append(float(logs[before, torch.from_numpy(word)].sum()))
    return np.array(found)


@pytest.mark.parametrize("items", ["positions", "tokens"])
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_words_are_scored_as_if_each_were_written_out(scale: tuple[float, ...], items: str) -> None:
    bundle = made(scale, items)
    asked = prompts(bundle)
    ids, mask = pad(asked, bundle.tokenizer.pad_token_id)
    _, logs = RatingWordScorer(bundle.model, bundle.tokenizer, scale).read(ids, mask)
    wanted = np.stack([by_enumeration(bundle, prompt) for prompt in asked])
    assert np.allclose(logs.numpy(), wanted, atol=1e-4)
    assert wanted.std(axis=1).min() > 0.01
    estimates = estimate_ratings(bundle, asked, DecodeConfig())
    probabilities = np.exp(wanted) / np.exp(wanted).sum(axis=1, keepdims=True)
    assert estimates["words"] == pytest.approx(probabilities @ np.array(scale), abs=1e-4)
    assert estimates["text"].tolist() == [scale[i] for i in wanted.argmax(axis=1)]


def test_a_word_that_begins_another_is_closed() -> None:
    tokenizer = make_bundle(scratch(), some_codes()).tokenizer
    said = [tokenizer.decode(word) for word in rating_words(tokenizer, (1, 3, 3.5, 4, 10))]
    assert said == ["1<|end|>", "3<|end|>", "3.5", "4", "10"]
    histories = make_bundle(scratch(), some_codes(), scale=(3.0, 3.5)).rated_histories()
    tokens, *_ = histories.write(np.array([2, 4]), np.array([3.0, 3.5], dtype=np.float32))
    words = tokenizer.decode(tokens[1:])
    assert words.count("<|end|>") == 1
    assert words.endswith("3.5")
