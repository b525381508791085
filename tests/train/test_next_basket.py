"""Next-basket examples have the losses of one example per item."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_runs import ITEMS, log
from tiny_models import make_bundle, scratch, some_codes

from p5rec.backbones.config import BackboneConfig
from p5rec.data.windows import Windows
from p5rec.models.bundle import Bundle
from p5rec.models.config import ItemHeadConfig
from p5rec.models.multitask import Batch
from p5rec.train.alignment.data import target_tokens
from p5rec.train.config import NextItemConfig
from p5rec.train.examples.collate import Collator
from p5rec.train.examples.example import IGNORE, TrainingExample
from p5rec.train.examples.histories import NextItemExamples

KINDS = {
    "decoder": scratch(),
    "decoder-tokens": scratch(items="tokens"),
    "t5": scratch(shape="t5"),
    "t5-tokens": scratch(shape="t5", items="tokens"),
}
N = 12


def examples_for(bundle: Bundle, **changes: object) -> NextItemExamples:
    events, split = log()
    config = NextItemConfig(window=7, targets="next-basket", **changes)
    windows = Windows(events, split, config.window, N, 0, config.targets)
    return NextItemExamples(windows, events.items, bundle.layout, bundle.bos, config)


def loss(bundle: Bundle, examples: list[TrainingExample], packing: int = 0) -> float:
    start = bundle.model.start if bundle.model.seq2seq else None
    one, n = np.ones(1, dtype=int), len(examples)
    pad = bundle.tokenizer.pad_token_id
    slots = np.zeros(n, dtype=int), np.arange(n)
    collate = Collator([examples], np.ones(1), one, *slots, pad, start, packing)
    with torch.no_grad():
        batch = Batch(**collate([{"slot": slot} for slot in range(n)]))
        actual: float = bundle.model(batch, 1)["loss"].item()
    return actual


def one_by_one(bundle: Bundle, examples: NextItemExamples, i: int) -> list[TrainingExample]:
    """An example for each target of example ``i``, with the events before its basket."""
    events, _ = examples.windows.draw(i)
    example, moments, levels = (
        examples[i],
        examples.windows.moments[events],
        bundle.layout.codes.levels,
    )
    has_bos = int(example.input_ids[0] == bundle.bos)
    labels = example.labels[has_bos:].reshape(-1, levels)
    until = (example.stop - has_bos) // levels if bundle.model.seq2seq else len(events)
    first_decoded = (example.split - has_bos) // levels if bundle.model.seq2seq else 0
    actual = []
    for j in range(first_decoded, min(until, len(events))):
        if labels[j, 0] == IGNORE:
            continue
        if bundle.model.seq2seq and (moments[j] != moments[first_decoded]):
            continue  # preceded by other decoder targets
        before = np.searchsorted(moments, moments[j])
        own = bundle.layout.items[
            np.append(examples.items[events[:before]], examples.items[events[j]])
        ]
        tokens = np.concatenate([[bundle.bos][:has_bos], own.ravel()]).astype(np.int64)
        labels_of_item = np.full_like(tokens, IGNORE)
        labels_of_item[-levels:] = tokens[-levels:]
        actual.append(TrainingExample(tokens, labels_of_item, split=len(tokens) - levels))
    return actual


@pytest.mark.parametrize("head", [None, ItemHeadConfig()])
@pytest.mark.parametrize("kind", KINDS)
def test_each_item_is_predicted_from_all_events_before_its_basket(
    kind: str, head: ItemHeadConfig | None
) -> None:
    backbone: BackboneConfig = KINDS[kind]
    bundle = make_bundle(backbone, some_codes(ITEMS), item_head=head)
    examples = examples_for(bundle)
    if bundle.model.seq2seq:  # only the first basket of the decoder
        examples = FirstBasket(examples)
    n_several = 0
    for i in range(len(examples)):
        expected = one_by_one(bundle, examples, i)
        n_several += len(expected) > 1
        total = sum(loss(bundle, [each]) for each in expected)
        assert loss(bundle, [examples[i]]) == pytest.approx(total, rel=1e-4)
    assert n_several > N // 2 or kind == "t5-tokens"


class FirstBasket(NextItemExamples):
    """Examples with one basket in the decoder."""

    def __init__(self, examples: NextItemExamples) -> None:
        super().__init__(
            examples.windows, examples.items, examples.layout, examples.bos, examples.config
        )

    def __getitem__(self, i: int) -> TrainingExample:
        example, levels = super().__getitem__(i), self.layout.codes.levels
        moments = self.windows.moments[self.windows.draw(i)[0]]
        split = (example.split - 1) // levels
        size = int((moments == moments[split]).sum())
        return replace(example, stop=min(example.stop, example.split + size * levels))


def test_packed_and_padded_baskets_have_the_same_loss() -> None:
    bundle = make_bundle(KINDS["decoder"], some_codes(ITEMS), item_head=ItemHeadConfig())
    examples = examples_for(bundle, bos_probability=0.5)
    every = [examples[i] for i in range(N)]
    separately = sum(loss(bundle, [example]) for example in every)
    assert loss(bundle, every) == pytest.approx(separately, rel=1e-4)
    assert loss(bundle, every, packing=60) == pytest.approx(separately, rel=1e-4)


def test_without_a_start_token_the_first_basket_is_no_target() -> None:
    examples = examples_for(make_bundle(KINDS["decoder"], some_codes(ITEMS)), bos_probability=0.0)
    for i in range(N):
        moments = examples.windows.moments[examples.windows.draw(i)[0]]
        labels_of_item = (
            examples[i].labels.reshape(-1, examples.layout.codes.levels)[:, 0] != IGNORE
        )
        assert labels_of_item.tolist() == (moments > moments[0]).tolist()


def test_alignment_targets_the_first_item_of_a_basket() -> None:
    examples = examples_for(make_bundle(KINDS["decoder"], some_codes(ITEMS)))
    for i in range(N):
        moments = examples.windows.moments[examples.windows.draw(i)[0]]
        first = np.unique(moments, return_index=True)[1]
        assert target_tokens(examples, i, None, 0).tolist() == (1 + 2 * first).tolist()
