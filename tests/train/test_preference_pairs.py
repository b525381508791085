"""Mined preference pairs: rejected items of training events, without held-out data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from oracles import score_codes
from small_runs import ITEMS, log
from tiny_models import make_bundle, scratch, some_codes

from p5rec.core.types import Interactions, Split
from p5rec.data.windows import Windows
from p5rec.models.bundle import Bundle
from p5rec.train.alignment import hard_negatives as module
from p5rec.train.alignment.data import Pairs, PreferenceExamples, SampledExamples, load_pairs
from p5rec.train.alignment.hard_negatives import mine_negatives
from p5rec.train.config import NextItemConfig
from p5rec.train.examples.histories import NextItemExamples

DEFAULTS: dict[str, Any] = {"negatives": 3, "seed": 0}
LOG = log(users=6, events=7)


def histories(
    bundle: Bundle, data: tuple[Interactions, Split] = LOG, n_examples: int | None = None
) -> NextItemExamples:
    config = NextItemConfig(window=4)
    windows = Windows(*data, config.window, n_examples, 0)
    return NextItemExamples(windows, data[0].items, bundle.layout, bundle.bos, config)


def mined(
    bundle: Bundle,
    folder: Path,
    rejected: str = "sampled",
    *,
    positions: int | None = None,
    data: tuple[Interactions, Split] = LOG,
    **changes: Any,
) -> Pairs:
    folder.mkdir(exist_ok=True)
    settings = {**DEFAULTS, "rejected": rejected, "positions": positions, **changes}
    mine_negatives(bundle, histories(bundle, data), folder, **settings)
    return load_pairs(folder)


@pytest.mark.parametrize("rejected", ["sampled", "top"])
@pytest.mark.parametrize("kind", ["positions", "tokens"])
def test_rejected_items_are_not_in_the_preceding_history(
    tmp_path: Path, kind: str, rejected: str
) -> None:
    bundle = make_bundle(scratch(items=kind), some_codes(ITEMS), std=0.3).ready()
    examples, pairs = histories(bundle), mined(bundle, tmp_path, rejected)
    log_, _ = LOG
    catalogue = torch.from_numpy(bundle.layout.codes.codes).long()
    targets = 0
    for i in range(len(examples)):
        events, _ = examples.windows.draw(i)
        positions, items, scores = pairs[i]
        assert positions.tolist() == [1 + 2 * n for n in range(len(events))]
        assert items[:, 0].tolist() == log_.items[events].tolist()
        for n, (position, actual, score) in enumerate(zip(positions, items, scores, strict=True)):
            before = torch.from_numpy(examples[i].input_ids[None, :position])
            with torch.no_grad():
                expected = score_codes(bundle.model, before, torch.ones_like(before), catalogue)[0]
            assert np.allclose(score, expected[actual.astype(int)], atol=1e-4)
            expected[log_.items[events[: n + 1]].astype(int)] = -torch.inf
            assert expected[actual[1:].astype(int)].isfinite().all()
            if rejected == "top":
                assert np.allclose(score[1:], expected.topk(3).values, atol=1e-4)
            targets += 1
    assert targets == examples.windows.lengths.sum() > 25


def test_sampled_items_have_the_model_s_probabilities(tmp_path: Path) -> None:
    bundle = make_bundle(scratch(), some_codes(ITEMS), std=0.3).ready()
    positions, items, _ = mined(bundle, tmp_path, negatives=3000)[0]
    assert positions[0] == 1  # where only the item itself is excluded
    start = torch.tensor([[bundle.bos]])
    catalogue = torch.from_numpy(bundle.layout.codes.codes).long()
    with torch.no_grad():
        scores = score_codes(bundle.model, start, torch.ones_like(start), catalogue)[0]
    scores[int(items[0, 0])] = -torch.inf
    actual = np.bincount(items[0, 1:], minlength=ITEMS) / 3000
    assert np.abs(actual - scores.softmax(0).numpy()).max() < 0.05


@pytest.mark.parametrize("rejected", ["sampled", "top"])
def test_held_out_events_have_no_influence(tmp_path: Path, rejected: str) -> None:
    log_, split = LOG
    items = np.where(split.mask("train"), log_.items, (log_.items + 5) % ITEMS)
    other = replace(log_, items=items)
    bundle = make_bundle(scratch(), some_codes(ITEMS), std=0.3).ready()
    one = mined(bundle, tmp_path / "one", rejected)
    two = mined(bundle, tmp_path / "two", rejected, data=(other, split))
    assert np.array_equal(one.items, two.items)
    assert np.array_equal(one.scores, two.scores)


def test_the_batch_size_has_no_influence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = make_bundle(scratch(), some_codes(ITEMS), std=0.3).ready()
    one = mined(bundle, tmp_path / "one")
    monkeypatch.setattr(module, "TOKENS", 1)
    two = mined(bundle, tmp_path / "two")
    assert np.array_equal(one.items, two.items)
    assert np.allclose(one.scores, two.scores, atol=1e-5)


def test_examples_with_pairs_repeat_every_epoch(tmp_path: Path) -> None:
    bundle = make_bundle(scratch(), some_codes(ITEMS), std=0.3).ready()
    base, pairs = histories(bundle), mined(bundle, tmp_path, positions=2)
    examples = PreferenceExamples(base, pairs, 3 * len(base) + 1)
    assert len(examples) == len(examples.lengths) == 3 * len(base) + 1
    for i in range(len(examples)):
        example, (positions, items, scores) = examples[i], pairs[i % len(base)]
        assert len(positions) == 2
        assert example.input_ids.tolist() == base[i % len(base)].input_ids.tolist()
        assert example.candidates[positions].tolist() == items.tolist()
        assert np.array_equal(example.reference[positions], scores)
        others = np.setdiff1d(np.arange(len(example.labels)), positions)
        assert (example.candidates[others] == -1).all()
        targets = np.flatnonzero(example.labels != -100)
        assert targets.tolist() == sorted([*positions, *(positions + 1)])
        assert examples.lengths[i] == len(example.input_ids)


def test_an_item_without_rejected_items_is_no_pair() -> None:
    bundle = make_bundle(scratch(), some_codes(ITEMS))
    base = histories(bundle)
    positions = np.array([1, 3])
    items = np.array([[4, -1, -1], [5, 6, -1]])
    table = np.tile([0, 2], len(base))[: len(base) + 1]
    example = PreferenceExamples(base, Pairs(table, positions, items, np.zeros((2, 3))), 1)[0]
    assert (example.candidates[1] == -1).all()
    assert example.candidates[3].tolist() == [5, 6, -1]


def test_every_position_of_every_example_has_its_own_seed() -> None:
    bundle = make_bundle(scratch(), some_codes(ITEMS))
    base = histories(bundle, n_examples=40)
    seeds: list[int] = []
    for i, example in enumerate(SampledExamples(base, 2, seed=3)):
        positions = np.flatnonzero(example.sample_seeds)
        assert len(positions) == 2
        targets = np.flatnonzero(example.labels != -100)
        assert targets.tolist() == sorted([*positions, *(positions + 1)])
        seeds += example.sample_seeds[positions].tolist()
        if i == len(base) - 1:
            break
    assert len(set(seeds)) == len(seeds) == 80
    assert min(seeds) > 0
    again = SampledExamples(base, 2, seed=3)[7].sample_seeds
    assert again.tolist() == SampledExamples(base, 2, seed=3)[7].sample_seeds.tolist()
    assert again.tolist() != SampledExamples(base, 2, seed=4)[7].sample_seeds.tolist()
