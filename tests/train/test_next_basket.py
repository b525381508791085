"""Rows that ask for the next basket ask what one prompt an item would ask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_runs import ITEMS, log
from tiny_models import make_bundle, scratch, some_codes

from p5rec.backbones.config import BackboneConfig
from p5rec.data.windows import Windows
from p5rec.models.checkpoint import Bundle
from p5rec.models.config import ItemHeadConfig
from p5rec.models.multitask import Batch
from p5rec.train.alignment.data import choose
from p5rec.train.config import NextItemConfig
from p5rec.train.examples.collate import Collator
from p5rec.train.examples.histories import NextItemExamples
from p5rec.train.examples.example import IGNORE, TrainingExample

KINDS = {
    "decoder": scratch(),
    "decoder-tokens": scratch(items="tokens"),
    "t5": scratch(shape="t5"),
    "t5-tokens": scratch(shape="t5", items="tokens"),
}
N = 12


def rows_for(bundle: Bundle, **changes: object) -> NextItemExamples:
    events, split = log()
    config = NextItemConfig(window=7, targets="next-basket", **changes)
    windows = Windows(events, split, config.window, N, 0, config.targets)
    return NextItemExamples(windows, events.items, bundle.layout, bundle.bos, config)


def loss(bundle: Bundle, rows: list[TrainingExample], packing: int = 0) -> float:
    start = bundle.model.start if bundle.model.seq2seq else None
    one, n = np.ones(1, dtype=int), len(rows)
    pad = bundle.tokenizer.pad_token_id
    slots = np.zeros(n, dtype=int), np.arange(n)
    collate = Collator([rows], np.ones(1), one, *slots, pad, start, packing)
    with torch.no_grad():
        batch = Batch(**collate([{"slot": slot} for slot in range(n)]))
        found: float = bundle.model(batch, 1)["loss"].item()
    return found


def one_by_one(bundle: Bundle, rows: NextItemExamples, i: int) -> list[TrainingExample]:
    """A row for each item that row ``i`` asks for, after what lies before its basket."""
    events, _ = rows.windows.row(i)
    row, moments, levels = rows[i], rows.windows.moments[events], bundle.layout.codes.levels
    opens = int(row.input_ids[0] == bundle.bos)
    labels = row.labels[opens:].reshape(-1, levels)
    until = (row.stop - opens) // levels if bundle.model.seq2seq else len(events)
    begun = (row.split - opens) // levels if bundle.model.seq2seq else 0
    found = []
    for j in range(begun, min(until, len(events))):
        if labels[j, 0] == IGNORE:
            continue
        if bundle.model.seq2seq and (moments[j] != moments[begun]):
            continue  # after further items of the decoder's own
        before = np.searchsorted(moments, moments[j])
        own = bundle.layout.items[np.append(rows.items[events[:before]], rows.items[events[j]])]
        tokens = np.concatenate([[bundle.bos][:opens], own.ravel()]).astype(np.int64)
        asked = np.full_like(tokens, IGNORE)
        asked[-levels:] = tokens[-levels:]
        found.append(TrainingExample(tokens, asked, split=len(tokens) - levels))
    return found


@pytest.mark.parametrize("head", [None, ItemHeadConfig()])
@pytest.mark.parametrize("kind", KINDS)
def test_each_item_is_asked_for_after_all_before_its_basket(
    kind: str, head: ItemHeadConfig | None
) -> None:
    backbone: BackboneConfig = KINDS[kind]
    bundle = make_bundle(backbone, some_codes(ITEMS), item_head=head)
    rows = rows_for(bundle)
    if bundle.model.seq2seq:  # of the decoder's part the first basket alone
        rows = FirstBasket(rows)
    several = 0
    for i in range(len(rows)):
        wanted = one_by_one(bundle, rows, i)
        several += len(wanted) > 1
        total = sum(loss(bundle, [each]) for each in wanted)
        assert loss(bundle, [rows[i]]) == pytest.approx(total, rel=1e-4)
    assert several > N // 2 or kind == "t5-tokens"


class FirstBasket(NextItemExamples):
    """Rows whose decoder reads one basket."""

    def __init__(self, rows: NextItemExamples) -> None:
        super().__init__(rows.windows, rows.items, rows.layout, rows.bos, rows.config)

    def __getitem__(self, i: int) -> TrainingExample:
        row, levels = super().__getitem__(i), self.layout.codes.levels
        moments = self.windows.moments[self.windows.row(i)[0]]
        split = (row.split - 1) // levels
        size = int((moments == moments[split]).sum())
        return replace(row, stop=min(row.stop, row.split + size * levels))


def test_packed_and_padded_rows_ask_the_same() -> None:
    bundle = make_bundle(KINDS["decoder"], some_codes(ITEMS), item_head=ItemHeadConfig())
    rows = rows_for(bundle, start=0.5)
    every = [rows[i] for i in range(N)]
    alone = sum(loss(bundle, [row]) for row in every)
    assert loss(bundle, every) == pytest.approx(alone, rel=1e-4)
    assert loss(bundle, every, packing=60) == pytest.approx(alone, rel=1e-4)


def test_without_a_start_the_first_basket_is_not_asked_for() -> None:
    rows = rows_for(make_bundle(KINDS["decoder"], some_codes(ITEMS)), start=0.0)
    for i in range(N):
        moments = rows.windows.moments[rows.windows.row(i)[0]]
        asked = rows[i].labels.reshape(-1, rows.layout.codes.levels)[:, 0] != IGNORE
        assert asked.tolist() == (moments > moments[0]).tolist()


def test_alignment_asks_for_the_first_item_of_a_basket() -> None:
    rows = rows_for(make_bundle(KINDS["decoder"], some_codes(ITEMS)))
    for i in range(N):
        moments = rows.windows.moments[rows.windows.row(i)[0]]
        first = np.unique(moments, return_index=True)[1]
        assert choose(rows, i, None, 0).tolist() == (1 + 2 * first).tolist()
