"""Preference pairs: what a model listed in place of training events, and nothing held out."""

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
from p5rec.models.checkpoint import Bundle
from p5rec.train.alignment import mining as module
from p5rec.train.alignment.data import Pairs, PreferenceExamples, SampledExamples, load_pairs
from p5rec.train.alignment.hard_negatives import mine
from p5rec.train.config import NextItemConfig
from p5rec.train.examples.histories import NextItemExamples

MADE: dict[str, Any] = {"negatives": 3, "seed": 0}
LOG = log(users=6, events=7)


def histories(
    bundle: Bundle, data: tuple[Interactions, Split] = LOG, n_rows: int | None = None
) -> NextItemExamples:
    config = NextItemConfig(window=4)
    windows = Windows(*data, config.window, n_rows, 0)
    return NextItemExamples(windows, data[0].items, bundle.layout, bundle.bos, config)


def mined(
    bundle: Bundle,
    folder: Path,
    rejected: str = "drawn",
    *,
    positions: int | None = None,
    data: tuple[Interactions, Split] = LOG,
    **changes: Any,
) -> Pairs:
    folder.mkdir(exist_ok=True)
    given = {**MADE, "rejected": rejected, "positions": positions, **changes}
    mine(bundle, histories(bundle, data), folder, **given)
    return load_pairs(folder)


@pytest.mark.parametrize("rejected", ["drawn", "listed"])
@pytest.mark.parametrize("kind", ["positions", "tokens"])
def test_rejected_are_items_that_the_history_does_not_hold_so_far(
    tmp_path: Path, kind: str, rejected: str
) -> None:
    bundle = make_bundle(scratch(items=kind), some_codes(ITEMS), spread=0.3).ready()
    rows, pairs = histories(bundle), mined(bundle, tmp_path, rejected)
    log_, _ = LOG
    catalogue = torch.from_numpy(bundle.layout.codes.codes).long()
    asked = 0
    for i in range(len(rows)):
        events, _ = rows.windows.row(i)
        places, items, scores = pairs[i]
        assert places.tolist() == [1 + 2 * n for n in range(len(events))]
        assert items[:, 0].tolist() == log_.items[events].tolist()
        for n, (place, found, told) in enumerate(zip(places, items, scores, strict=True)):
            before = torch.from_numpy(rows[i].input_ids[None, :place])
            with torch.no_grad():
                wanted = score_codes(bundle.model, before, torch.ones_like(before), catalogue)[0]
            assert np.allclose(told, wanted[found.astype(int)], atol=1e-4)
            wanted[log_.items[events[: n + 1]].astype(int)] = -torch.inf
            assert wanted[found[1:].astype(int)].isfinite().all()
            if rejected == "listed":
                assert np.allclose(told[1:], wanted.topk(3).values, atol=1e-4)
            asked += 1
    assert asked == rows.windows.lengths.sum() > 25


def test_drawn_are_as_frequent_as_the_model_finds_them_likely(tmp_path: Path) -> None:
    bundle = make_bundle(scratch(), some_codes(ITEMS), spread=0.3).ready()
    places, items, _ = mined(bundle, tmp_path, negatives=3000)[0]
    assert places[0] == 1  # where nothing is barred but the item itself
    start = torch.tensor([[bundle.bos]])
    catalogue = torch.from_numpy(bundle.layout.codes.codes).long()
    with torch.no_grad():
        scores = score_codes(bundle.model, start, torch.ones_like(start), catalogue)[0]
    scores[int(items[0, 0])] = -torch.inf
    found = np.bincount(items[0, 1:], minlength=ITEMS) / 3000
    assert np.abs(found - scores.softmax(0).numpy()).max() < 0.05


@pytest.mark.parametrize("rejected", ["drawn", "listed"])
def test_what_is_held_out_moves_nothing(tmp_path: Path, rejected: str) -> None:
    log_, split = LOG
    items = np.where(split.mask("train"), log_.items, (log_.items + 5) % ITEMS)
    other = replace(log_, items=items)
    bundle = make_bundle(scratch(), some_codes(ITEMS), spread=0.3).ready()
    one = mined(bundle, tmp_path / "one", rejected)
    two = mined(bundle, tmp_path / "two", rejected, data=(other, split))
    assert np.array_equal(one.items, two.items)
    assert np.array_equal(one.scores, two.scores)


def test_the_size_of_a_batch_moves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = make_bundle(scratch(), some_codes(ITEMS), spread=0.3).ready()
    one = mined(bundle, tmp_path / "one")
    monkeypatch.setattr(module, "TOKENS", 1)
    two = mined(bundle, tmp_path / "two")
    assert np.array_equal(one.items, two.items)
    assert np.allclose(one.scores, two.scores, atol=1e-5)


def test_rows_hold_their_pairs_and_come_again_every_epoch(tmp_path: Path) -> None:
    bundle = make_bundle(scratch(), some_codes(ITEMS), spread=0.3).ready()
    base, pairs = histories(bundle), mined(bundle, tmp_path, positions=2)
    rows = PreferenceExamples(base, pairs, 3 * len(base) + 1)
    assert len(rows) == len(rows.lengths) == 3 * len(base) + 1
    for i in range(len(rows)):
        row, (places, items, scores) = rows[i], pairs[i % len(base)]
        assert len(places) == 2
        assert row.input_ids.tolist() == base[i % len(base)].input_ids.tolist()
        assert row.candidates[places].tolist() == items.tolist()
        assert np.array_equal(row.reference[places], scores)
        others = np.setdiff1d(np.arange(len(row.labels)), places)
        assert (row.candidates[others] == -1).all()
        asked = np.flatnonzero(row.labels != -100)
        assert asked.tolist() == sorted([*places, *(places + 1)])
        assert rows.lengths[i] == len(row.input_ids)


def test_an_item_without_rivals_is_no_pair() -> None:
    bundle = make_bundle(scratch(), some_codes(ITEMS))
    base = histories(bundle)
    places = np.array([1, 3])
    items = np.array([[4, -1, -1], [5, 6, -1]])
    table = np.tile([0, 2], len(base))[: len(base) + 1]
    row = PreferenceExamples(base, Pairs(table, places, items, np.zeros((2, 3))), 1)[0]
    assert (row.candidates[1] == -1).all()
    assert row.candidates[3].tolist() == [5, 6, -1]


def test_every_place_of_every_row_draws_with_a_seed_of_its_own() -> None:
    bundle = make_bundle(scratch(), some_codes(ITEMS))
    base = histories(bundle, n_rows=40)
    seeds: list[int] = []
    for i, row in enumerate(SampledExamples(base, 2, seed=3)):
        places = np.flatnonzero(row.draws)
        assert len(places) == 2
        asked = np.flatnonzero(row.labels != -100)
        assert asked.tolist() == sorted([*places, *(places + 1)])
        seeds += row.draws[places].tolist()
        if i == len(base) - 1:
            break
    assert len(set(seeds)) == len(seeds) == 80
    assert min(seeds) > 0
    again = SampledExamples(base, 2, seed=3)[7].draws
    assert again.tolist() == SampledExamples(base, 2, seed=3)[7].draws.tolist()
    assert again.tolist() != SampledExamples(base, 2, seed=4)[7].draws.tolist()
