"""Generative models use the behaviour of each event, in training and inference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import ITEMS, log
from tiny_models import make_bundle, scratch, some_codes

from p5rec.core.errors import UserError
from p5rec.core.features import Behaviours
from p5rec.core.types import Interactions
from p5rec.data.split import histories_of
from p5rec.data.windows import Windows
from p5rec.models.bundle import Bundle, BundleSettings, build
from p5rec.models.checkpoint import load_bundle, save_bundle
from p5rec.models.initialise import initialise_from
from p5rec.models.inputs import pad
from p5rec.models.scorer import prompt_reader
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.generative import GenerativeRecommender
from p5rec.train.config import NextItemConfig
from p5rec.train.examples.histories import NextItemExamples

NAMES, WEIGHTS = ("buy", "cart", "view"), (1.0, 0.5, 0.2)
SHAPES = ["decoder", "decoder-tokens", "t5", "t5-tokens"]
BACKBONES = [
    scratch(),
    scratch(items="tokens"),
    scratch(shape="t5"),
    scratch(shape="t5", items="tokens"),
]


def bundle_of(backbone: Any, behaviours: tuple[str, ...] = NAMES) -> Bundle:
    return make_bundle(backbone, some_codes(ITEMS), behaviours=behaviours)


def mixed(events: Interactions) -> Interactions:
    codes = np.random.default_rng(1).integers(0, 3, len(events)).astype(np.int8)
    return replace(events, behaviours=Behaviours(codes, NAMES, ("buy",), WEIGHTS))


def lists(bundle: Bundle, requests: Any) -> np.ndarray:
    config = DecodeConfig(k=5, beams=ITEMS, search="exhaustive")
    return GenerativeRecommender(bundle, config).recommend(requests, 5, exclude_seen=False).scores


@pytest.mark.parametrize("backbone", BACKBONES, ids=SHAPES)
def test_behaviours_are_matched_by_name_and_default_to_the_first_target(
    backbone: Any, tmp_path: Path
) -> None:
    save_bundle(bundle_of(backbone), tmp_path)
    served = load_bundle(tmp_path).ready()
    requests = histories_of(mixed(log()[0]), np.arange(6))
    behaviours_of_events = requests.behaviours
    assert behaviours_of_events is not None
    actual = lists(served, requests)
    reordered = Behaviours(2 - behaviours_of_events.codes, NAMES[::-1], ("buy",), WEIGHTS)
    np.testing.assert_array_equal(lists(served, replace(requests, behaviours=reordered)), actual)
    bought = Behaviours(np.zeros_like(behaviours_of_events.codes), ("buy",), ("buy",), (1.0,))
    without = lists(served, replace(requests, behaviours=None))
    np.testing.assert_array_equal(lists(served, replace(requests, behaviours=bought)), without)
    assert (without != actual).any(1).all()
    unknown = Behaviours(behaviours_of_events.codes, ("buy", "wish", "view"), ("buy",), WEIGHTS)
    with pytest.raises(UserError, match=r"buy, cart, view.*got 'wish'"):
        lists(served, replace(requests, behaviours=unknown))


@pytest.mark.parametrize("backbone", BACKBONES, ids=SHAPES)
@pytest.mark.parametrize("behaviours", [NAMES, ()], ids=["behaviours", "none"])
def test_lengths_are_the_positions_that_the_model_reads(
    backbone: Any, behaviours: tuple[str, ...]
) -> None:
    bundle, events = bundle_of(backbone, behaviours), log()[0]
    requests = histories_of(mixed(events) if behaviours else events, np.arange(6))
    prompts = bundle.histories(requests)
    ids, mask = pad(prompts, bundle.vocabulary.pad)
    read = bundle.model.embed(ids, mask)[1].real.sum(1)
    assert bundle.model.lengths(prompts).tolist() == read.tolist()
    assert bundle.model.lengths([]).tolist() == []


@pytest.mark.parametrize("backbone", BACKBONES[:2], ids=SHAPES[:2])
def test_inference_states_equal_training_states(backbone: Any) -> None:
    """The state before an item is the same in training and inference."""
    bundle, (events, split) = bundle_of(backbone), log()
    events = mixed(events)
    windows = Windows(events, split, 5, 4, 0)
    examples = NextItemExamples(
        windows, events.items, bundle.layout, bundle.bos, NextItemConfig(window=5)
    )
    model, layout = bundle.model.eval(), bundle.layout
    for i in range(len(examples)):
        example, (own, _) = examples[i], windows.draw(i)
        tokens = torch.from_numpy(example.input_ids)[None]
        assert examples.lengths[i] == len(example.input_ids) == 1 + 3 * len(own)
        labels = example.labels[1:].reshape(-1, 3)
        assert (labels[:, 2] == -100).all()
        assert (labels[:, 0] != -100).tolist() == events.is_target[own].tolist()
        with torch.no_grad():
            embedded, at = model.embed(tokens)
            states = model.states(inputs_embeds=embedded)[0]
            for n in range(len(own) + 1):
                prefix = layout.events(events.items[own[:n]], windows.behaviours_of(own[:n]))
                prompt = torch.tensor([[bundle.bos, *prefix.ravel()]])
                state = prompt_reader(model, prompt, torch.ones_like(prompt)).read()[0]
                last = at.token_positions[0, 3 * n]
                torch.testing.assert_close(states[last], state, atol=1e-5, rtol=1e-4)
    assert embedded.shape[1] == (1 + len(own) if backbone.items == "positions" else tokens.shape[1])


def test_an_event_is_embedded_as_item_and_behaviour() -> None:
    bundle = bundle_of(scratch())
    behaviours_of_events = Behaviours(np.array([2, 0], dtype=np.int8), NAMES, ("buy",), WEIGHTS)
    tokens = torch.from_numpy(
        bundle.layout.events(np.array([3, 7]), behaviours_of_events).reshape(1, -1)
    )
    embedded, at = bundle.model.embed(tokens)
    examples = bundle.model.causal.get_input_embeddings()(tokens[0, [2, 5]])
    torch.testing.assert_close(embedded[0], bundle.model.item_vectors()[[3, 7]] + examples)
    assert at.token_positions.tolist() == [[0, 0, 0, 1, 1, 1]]


def test_initialisation_copies_embeddings_of_known_behaviours(tmp_path: Path) -> None:
    first = bundle_of(scratch())
    save_bundle(first, tmp_path)
    again = BundleSettings(backbone=scratch(), seed=1, behaviours=("buy", "wish", "view"))
    bundle = build(again, first.layout.codes, first.item_ids)
    fresh = bundle.model.causal.get_input_embeddings().new.detach().clone()
    initialise_from(tmp_path, bundle)
    old, new = (each.model.causal.get_input_embeddings().new for each in (first, bundle))
    codes = sum(first.layout.codes.sizes)
    torch.testing.assert_close(new[:codes], old[:codes])
    torch.testing.assert_close(new[codes:], torch.stack([old[codes], fresh[codes + 1], old[-1]]))
