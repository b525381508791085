"""Networks that name items by codes are told what was done with each: in rows and in requests."""

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
from p5rec.models.checkpoint import Bundle, BundleSettings, build, load_bundle, save_bundle
from p5rec.models.scorer import prompt_reader
from p5rec.models.initialise import carry_over
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


def lists(bundle: Bundle, asked: Any) -> np.ndarray:
    config = DecodeConfig(k=5, beams=ITEMS, search="exhaustive")
    return GenerativeRecommender(bundle, config).recommend(asked, 5, exclude_seen=False).scores


@pytest.mark.parametrize("backbone", BACKBONES, ids=SHAPES)
def test_behaviours_are_read_by_name_and_without_any_as_the_first_target(
    backbone: Any, tmp_path: Path
) -> None:
    save_bundle(bundle_of(backbone), tmp_path)
    served = load_bundle(tmp_path).ready()
    asked = histories_of(mixed(log()[0]), np.arange(6))
    done = asked.behaviours
    assert done is not None
    found = lists(served, asked)
    turned = Behaviours(2 - done.codes, NAMES[::-1], ("buy",), WEIGHTS)
    np.testing.assert_array_equal(lists(served, replace(asked, behaviours=turned)), found)
    bought = Behaviours(np.zeros_like(done.codes), ("buy",), ("buy",), (1.0,))
    alone = lists(served, replace(asked, behaviours=None))
    np.testing.assert_array_equal(lists(served, replace(asked, behaviours=bought)), alone)
    assert (alone != found).any(1).all()
    strange = Behaviours(done.codes, ("buy", "wish", "view"), ("buy",), WEIGHTS)
    with pytest.raises(UserError, match=r"buy, cart, view.*got 'wish'"):
        lists(served, replace(asked, behaviours=strange))


@pytest.mark.parametrize("backbone", BACKBONES[:2], ids=SHAPES[:2])
def test_what_is_served_is_what_is_trained(backbone: Any) -> None:
    """The state that names an item after a history is the same in a training row."""
    bundle, (events, split) = bundle_of(backbone), log()
    events = mixed(events)
    windows = Windows(events, split, 5, 4, 0)
    rows = NextItemExamples(
        windows, events.items, bundle.layout, bundle.bos, NextItemConfig(window=5)
    )
    model, layout = bundle.model.eval(), bundle.layout
    for i in range(len(rows)):
        row, (own, _) = rows[i], windows.row(i)
        tokens = torch.from_numpy(row.input_ids)[None]
        assert rows.lengths[i] == len(row.input_ids) == 1 + 3 * len(own)
        labels = row.labels[1:].reshape(-1, 3)
        assert (labels[:, 2] == -100).all()
        assert (labels[:, 0] != -100).tolist() == events.is_target[own].tolist()
        with torch.no_grad():
            embedded, at = model.embed(tokens)
            states = model.states(inputs_embeds=embedded)[0]
            for n in range(len(own) + 1):
                told = layout.events(events.items[own[:n]], windows.done(own[:n]))
                prompt = torch.tensor([[bundle.bos, *told.ravel()]])
                read = prompt_reader(model, prompt, torch.ones_like(prompt)).read()[0]
                last = at.places[0, 3 * n]
                torch.testing.assert_close(states[last], read, atol=1e-5, rtol=1e-4)
    assert embedded.shape[1] == (1 + len(own) if backbone.items == "positions" else tokens.shape[1])


def test_an_event_is_read_as_its_item_and_what_was_done() -> None:
    bundle = bundle_of(scratch())
    done = Behaviours(np.array([2, 0], dtype=np.int8), NAMES, ("buy",), WEIGHTS)
    tokens = torch.from_numpy(bundle.layout.events(np.array([3, 7]), done).reshape(1, -1))
    embedded, at = bundle.model.embed(tokens)
    rows = bundle.model.causal.get_input_embeddings()(tokens[0, [2, 5]])
    torch.testing.assert_close(embedded[0], bundle.model.item_vectors()[[3, 7]] + rows)
    assert at.places.tolist() == [[0, 0, 0, 1, 1, 1]]


def test_a_second_training_takes_over_the_behaviours_that_it_knows(tmp_path: Path) -> None:
    first = bundle_of(scratch())
    save_bundle(first, tmp_path)
    again = BundleSettings(backbone=scratch(), seed=1, behaviours=("buy", "wish", "view"))
    bundle = build(again, first.layout.codes, first.item_ids)
    fresh = bundle.model.causal.get_input_embeddings().new.detach().clone()
    carry_over(tmp_path, bundle)
    old, new = (each.model.causal.get_input_embeddings().new for each in (first, bundle))
    codes = sum(first.layout.codes.sizes)
    torch.testing.assert_close(new[:codes], old[:codes])
    torch.testing.assert_close(new[codes:], torch.stack([old[codes], fresh[codes + 1], old[-1]]))
