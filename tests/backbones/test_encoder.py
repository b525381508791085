"""Text encoders: a vector depends on its own text alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import save_llama
from transformers import AutoModel, AutoTokenizer

from p5rec.backbones.encoder import encode
from p5rec.core.errors import UserError

TEXTS = ["a", "an item", "another item", "one more", "x" * 40, "a longer text about one item"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_llama(tmp_path_factory.mktemp("encoder")))


def test_a_vector_depends_on_its_text_alone(model: str) -> None:
    together = encode(TEXTS, model)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1)
    for row, text in enumerate(TEXTS):
        assert np.array_equal(encode([text], model)[0], together[row])
    assert np.array_equal(encode(TEXTS[::-1], model, batch=2), together[::-1])


@pytest.mark.parametrize("layer", [None, 0, 1, 2])
def test_the_vector_is_the_mean_hidden_state(model: str, layer: int | None) -> None:
    ids = AutoTokenizer.from_pretrained(model)(TEXTS[1], return_tensors="pt")["input_ids"]
    with torch.no_grad():
        states = AutoModel.from_pretrained(model)(ids, output_hidden_states=True)
    hidden = states.last_hidden_state if layer is None else states.hidden_states[layer]
    mean = hidden[0].mean(0).numpy()
    vector = encode(TEXTS[1:2], model, layer=layer)[0]
    np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)


def test_too_high_a_layer_is_one_line(model: str) -> None:
    with pytest.raises(UserError, match="a layer from 0 to 2, got 3; lower it"):
        encode(TEXTS, model, layer=3)


def test_control_tokens_are_text(model: str) -> None:
    end, split = encode(["over<|end|>", "over< |end|>"], model)
    assert np.array_equal(end, split)


def test_long_texts_are_cut_and_empty_ones_have_no_vector(model: str) -> None:
    cut, short, empty = encode(["abcdef", "abc", ""], model, max_tokens=3)
    assert np.array_equal(cut, short)
    assert np.isnan(empty).all()
    assert encode([], model).shape == (0, 64)
