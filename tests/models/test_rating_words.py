"""Scores of rating words after a prompt, against one pass per word."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import make_bundle, scratch, some_codes

from p5rec.models.bundle import Bundle
from p5rec.models.inputs import pad
from p5rec.models.ratings import rating_words
from p5rec.models.scorer import prompt_reader
from p5rec.models.words import RatingWordScorer
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.ratings import estimate_ratings

SCALES = [(1.0, 2.0, 3.0, 4.0, 5.0), (0.5, 1.0, 3.0, 3.5, 10.0)]


def bundle_of(scale: tuple[float, ...], items: str = "positions") -> Bundle:
    bundle = make_bundle(scratch(items=items), some_codes(), scale=scale).ready()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # so that scores differ as in a trained model
        for parameter in bundle.model.causal.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return bundle


def prompts(bundle: Bundle) -> list[np.ndarray]:
    texts = ["How much for <a_1><b_2>?", "<a_5><b_0>3<a_3><b_3>", "Say: "]
    return [np.array(bundle.tokenizer(text)["input_ids"]) for text in texts]


@torch.no_grad()
def by_enumeration(bundle: Bundle, prompt: np.ndarray) -> np.ndarray:
    """``(R,)``: log-probability of each word, from a pass over the prompt and the word."""
    actual = []
    for word in rating_words(bundle.tokenizer, bundle.settings.scale):
        embedded, at = bundle.model.embed(torch.from_numpy(np.concatenate([prompt, word]))[None])
        hidden = bundle.model.decoder(inputs_embeds=embedded).last_hidden_state[0]
        logs = bundle.model.causal.get_output_embeddings()(hidden).log_softmax(-1)
        before = at.token_positions[0, len(prompt) :] - 1
        actual.append(float(logs[before, torch.from_numpy(word)].sum()))
    return np.array(actual)


@pytest.mark.parametrize("items", ["positions", "tokens"])
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_words_have_the_scores_of_separate_passes(scale: tuple[float, ...], items: str) -> None:
    bundle = bundle_of(scale, items)
    token_ids = prompts(bundle)
    ids, mask = pad(token_ids, bundle.tokenizer.pad_token_id)
    _, logs = RatingWordScorer(bundle.model, bundle.tokenizer, scale).read(
        prompt_reader(bundle.model, ids, mask)
    )
    expected = np.stack([by_enumeration(bundle, prompt) for prompt in token_ids])
    assert np.allclose(logs.numpy(), expected, atol=1e-4)
    assert expected.std(axis=1).min() > 0.01
    estimates = estimate_ratings(bundle, token_ids, DecodeConfig())
    probabilities = np.exp(expected) / np.exp(expected).sum(axis=1, keepdims=True)
    assert estimates["words"] == pytest.approx(probabilities @ np.array(scale), abs=1e-4)
    assert estimates["text"].tolist() == [scale[i] for i in expected.argmax(axis=1)]


def test_a_word_that_is_a_prefix_of_another_ends_with_the_end_token() -> None:
    tokenizer = make_bundle(scratch(), some_codes()).tokenizer
    decoded = [tokenizer.decode(word) for word in rating_words(tokenizer, (1, 3, 3.5, 4, 10))]
    assert decoded == ["1<|end|>", "3<|end|>", "3.5", "4", "10"]
    histories = make_bundle(scratch(), some_codes(), scale=(3.0, 3.5)).rated_histories()
    tokens, *_ = histories.write(np.array([2, 4]), np.array([3.0, 3.5], dtype=np.float32))
    words = tokenizer.decode(tokens[1:])
    assert words.count("<|end|>") == 1
    assert words.endswith("3.5")
