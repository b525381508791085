"""A batch has the targets of its examples, padded, packed, or for encoder and decoder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_runs import SCALE, RatingPrompts, config, examples_of_task
from tiny_models import llama, make_bundle, save_gpt2, save_llama, save_t5, scratch, some_codes

from p5rec.backbones.config import BackboneConfig
from p5rec.models.bundle import Bundle
from p5rec.models.multitask import Batch
from p5rec.models.ratings import RatedHistories
from p5rec.train.examples.collate import Collator, pack
from p5rec.train.examples.example import IGNORE, TrainingExample
from p5rec.train.examples.prompted import PromptExamples

N = 12
WEIGHTS = np.array([1.0, 0.5])


def backbone(kind: str, folder: Path) -> BackboneConfig:
    name, items = kind.split()
    if name in ("scratch", "new-t5"):
        return scratch(items=items, shape="decoder" if name == "scratch" else "t5")
    save: dict[str, Callable[[Path], Path]]
    save = {"llama": save_llama, "gpt2": save_gpt2, "t5": save_t5}
    return llama(save[name](folder), lora=True, items=items)


DECODERS = ("scratch positions", "scratch tokens", "llama positions", "gpt2 positions")
ENCODERS = ("new-t5 positions", "new-t5 tokens", "t5 positions")


@pytest.fixture(scope="module", params=DECODERS + ENCODERS)
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    config = backbone(request.param, tmp_path_factory.mktemp("model"))
    built = make_bundle(config, some_codes(), scale=SCALE)
    torch.nn.init.normal_(built.model.heads.regression.weight, std=0.1)
    return built


def collator(bundle: Bundle, **changes: int) -> Collator:
    """Twelve examples, histories and prompts alternating."""
    tasks = [examples_of_task(name, bundle, config(), N) for name in ("next-item", "rating")]
    start = bundle.model.start if bundle.model.seq2seq else None
    pad = bundle.tokenizer.pad_token_id
    one = np.ones(2, dtype=int)
    return Collator(tasks, WEIGHTS, one, np.arange(N) % 2, np.arange(N) // 2, pad, start, **changes)


def losses(bundle: Bundle, batch: dict[str, torch.Tensor], count: int = 1) -> dict[str, float]:
    with torch.no_grad():
        out = bundle.model(Batch(**batch), count)
    return {name: value.tolist() for name, value in out.items()}


ALL = [{"slot": slot} for slot in range(N)]


def test_padding_gives_the_losses_of_separate_examples(bundle: Bundle) -> None:
    collate = collator(bundle)
    together = losses(bundle, collate(ALL))
    separately = [losses(bundle, collate([one]))["loss"] for one in ALL]
    assert together["loss"] == pytest.approx(sum(separately), rel=1e-5)
    assert min(separately) > 0


@pytest.mark.parametrize("size", [1, 40, 90, 10_000])
@pytest.mark.parametrize("bundle", DECODERS, indirect=True)
def test_packing_gives_the_losses_of_separate_examples(bundle: Bundle, size: int) -> None:
    plain, packed = collator(bundle)(ALL), collator(bundle, packing=size)(ALL)
    actual, expected = losses(bundle, packed), losses(bundle, plain)
    for name, value in expected.items():
        assert actual[name] == pytest.approx(value, rel=2e-5, nan_ok=True), name
    assert len(packed["labels"]) == {1: N, 10_000: 1}.get(size, len(packed["labels"]))
    assert (packed["labels"] != IGNORE).sum() == (plain["labels"] != IGNORE).sum()


@pytest.mark.parametrize("bundle", DECODERS, indirect=True)
def test_packing_gives_the_gradients_of_padding(bundle: Bundle) -> None:
    actual = []
    for packing in (0, 60):
        bundle.model.zero_grad()
        batch = collator(bundle, packing=packing)(ALL)
        bundle.model(Batch(**batch), 100)["loss"].backward()
        actual.append({n: p.grad for n, p in bundle.model.named_parameters() if p.requires_grad})
    for name, gradient in actual[0].items():
        off = (gradient - actual[1][name]).norm()
        assert off <= 1e-4 * gradient.norm() + 1e-7, name


def test_the_logged_task_loss_is_the_mean_per_label(bundle: Bundle) -> None:
    collate = collator(bundle)
    together = losses(bundle, collate(ALL))["task_losses"]
    for task in (0, 1):
        examples = collate([{"slot": slot} for slot in range(task, N, 2)])
        n_targets = int((examples["labels"] != IGNORE).sum())
        expected = losses(bundle, examples)["loss"] / WEIGHTS[task] / n_targets
        assert together[task] == pytest.approx(expected, rel=1e-5)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 80))
def test_packed_sequences_are_short_enough_and_complete(lengths: list[int], size: int) -> None:
    sequences = pack(np.array(lengths), size)
    assert sorted(example for sequence in sequences for example in sequence) == list(
        range(len(lengths))
    )
    for sequence in sequences:
        assert sum(lengths[example] for example in sequence) <= size or len(sequence) == 1
    if len(sequences) > 1:  # two sequences that fit into one would have been packed
        short = sorted(sum(lengths[example] for example in sequence) for sequence in sequences)[:2]
        assert sum(short) > size


def test_the_first_token_of_a_sequence_is_no_target(bundle: Bundle) -> None:
    example = TrainingExample(np.array([5, 6, 7]), np.array([5, 6, 7]))
    both = np.array([2])  # examples of the only slot
    collate = Collator(
        [[example, example]], WEIGHTS, both, np.zeros(1, int), np.zeros(1, int), 0, packing=10
    )
    actual = collate([{"slot": 0}])
    assert actual["labels"].tolist() == [[IGNORE, 6, 7, IGNORE, 6, 7]]
    assert actual["documents"].tolist() == [[0, 0, 0, 1, 1, 1]]


def test_encoder_and_decoder_inputs_keep_all_targets() -> None:
    tokens = np.arange(10, 17)
    ratings = np.full(7, np.nan, dtype=np.float32)
    ratings[[2, 5]] = 4.0, 2.0
    labels = np.where(tokens > 12, tokens, IGNORE)
    blank = tokens % 2 == 0
    encoder, n_targets = TrainingExample(
        tokens, labels, ratings, blank, split=3
    ).encoder_and_decoder(start=1)
    assert encoder.input_ids.tolist() == [10, 11, 12]
    assert n_targets.input_ids.tolist() == [1, 13, 14, 15, 16]
    assert n_targets.labels.tolist() == [IGNORE, 13, 14, 15, 16]
    assert np.nan_to_num(n_targets.ratings).tolist() == [4, 0, 0, 2, 0]
    assert encoder.blank.tolist() == [True, False, True]
    assert n_targets.blank.tolist() == [False, False, True, False, True]


def test_a_decoder_has_the_configured_number_of_targets(bundle: Bundle) -> None:
    levels = bundle.layout.codes.levels
    for n_decoder in (1, 2, 100):
        examples = examples_of_task(
            "next-item", bundle, config(next_item={"window": 8, "decoder_targets": n_decoder}), 30
        )
        n_targets = [
            (examples[i].encoder_and_decoder(1)[1].labels != IGNORE).sum() // levels
            for i in range(30)
        ]
        left = [(len(examples[i].labels) - examples[i].split) // levels for i in range(30)]
        assert n_targets == [min(n_decoder, n) for n in left]


def test_a_history_is_split_before_an_item_and_a_prompt_at_its_end(bundle: Bundle) -> None:
    next_item = examples_of_task("next-item", bundle, config(next_item={"window": 6}), 40)
    levels, first = bundle.layout.codes.levels, bundle.layout.first
    splits = [next_item[i].split for i in range(40)]
    assert all((cut - 1) % levels == 0 and cut > 1 for cut in splits)
    assert len(set(splits)) > 2
    assert all(next_item[i].split < len(next_item[i].labels) for i in range(40))
    prompt = PromptExamples(RatingPrompts(1), bundle.tokenizer, 200)[0]
    assert (prompt.labels[: prompt.split] == IGNORE).all()
    assert (prompt.labels[prompt.split :] != IGNORE).all()
    histories = RatedHistories(bundle.layout, bundle.tokenizer, SCALE, 1)
    tokens, ends, _ = histories.write(np.arange(4), np.array([1, 2, 3, 4]))
    assert (tokens[ends] >= first + bundle.layout.codes.sizes[0]).all()
