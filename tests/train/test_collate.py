"""What a batch asks is what its rows ask, whether padded, packed or split between two halves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_runs import SCALE, Questions, config, rows_of
from tiny_models import llama, make_bundle, save_gpt2, save_llama, save_t5, scratch, some_codes

from p5rec.backbones.config import BackboneConfig
from p5rec.models.checkpoint import Bundle
from p5rec.models.multitask import Batch
from p5rec.models.ratings import RatedHistories
from p5rec.train.examples.collate import Collator, pack
from p5rec.train.examples.prompted import PromptExamples
from p5rec.train.examples.example import IGNORE, TrainingExample

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
    made = make_bundle(config, some_codes(), scale=SCALE)
    torch.nn.init.normal_(made.model.heads.regression.weight, std=0.1)
    return made


def collator(bundle: Bundle, **changes: int) -> Collator:
    """Twelve rows, of histories and questions in turn."""
    tasks = [rows_of(name, bundle, config(), N) for name in ("next-item", "rating")]
    start = bundle.model.start if bundle.model.seq2seq else None
    pad = bundle.tokenizer.pad_token_id
    one = np.ones(2, dtype=int)
    return Collator(tasks, WEIGHTS, one, np.arange(N) % 2, np.arange(N) // 2, pad, start, **changes)


def losses(bundle: Bundle, batch: dict[str, torch.Tensor], count: int = 1) -> dict[str, float]:
    with torch.no_grad():
        out = bundle.model(Batch(**batch), count)
    return {name: value.tolist() for name, value in out.items()}


ALL = [{"slot": slot} for slot in range(N)]


def test_padding_asks_what_the_rows_ask_alone(bundle: Bundle) -> None:
    collate = collator(bundle)
    together = losses(bundle, collate(ALL))
    alone = [losses(bundle, collate([one]))["loss"] for one in ALL]
    assert together["loss"] == pytest.approx(sum(alone), rel=1e-5)
    assert min(alone) > 0


@pytest.mark.parametrize("size", [1, 40, 90, 10_000])
@pytest.mark.parametrize("bundle", DECODERS, indirect=True)
def test_packing_asks_what_the_rows_ask_alone(bundle: Bundle, size: int) -> None:
    plain, packed = collator(bundle)(ALL), collator(bundle, packing=size)(ALL)
    found, wanted = losses(bundle, packed), losses(bundle, plain)
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=2e-5, nan_ok=True), name
    assert len(packed["labels"]) == {1: N, 10_000: 1}.get(size, len(packed["labels"]))
    assert (packed["labels"] != IGNORE).sum() == (plain["labels"] != IGNORE).sum()


@pytest.mark.parametrize("bundle", DECODERS, indirect=True)
def test_packed_rows_train_as_padded_ones(bundle: Bundle) -> None:
    found = []
    for packing in (0, 60):
        bundle.model.zero_grad()
        batch = collator(bundle, packing=packing)(ALL)
        bundle.model(Batch(**batch), 100)["loss"].backward()
        found.append({n: p.grad for n, p in bundle.model.named_parameters() if p.requires_grad})
    for name, gradient in found[0].items():
        off = (gradient - found[1][name]).norm()
        assert off <= 1e-4 * gradient.norm() + 1e-7, name


def test_what_is_logged_of_a_task_is_a_label_s_mean(bundle: Bundle) -> None:
    collate = collator(bundle)
    together = losses(bundle, collate(ALL))["task_losses"]
    for task in (0, 1):
        rows = collate([{"slot": slot} for slot in range(task, N, 2)])
        asked = int((rows["labels"] != IGNORE).sum())
        wanted = losses(bundle, rows)["loss"] / WEIGHTS[task] / asked
        assert together[task] == pytest.approx(wanted, rel=1e-5)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 80))
def test_a_line_is_never_too_long_and_no_row_is_lost(lengths: list[int], size: int) -> None:
    lines = pack(np.array(lengths), size)
    assert sorted(row for line in lines for row in line) == list(range(len(lengths)))
    for line in lines:
        assert sum(lengths[row] for row in line) <= size or len(line) == 1
    if len(lines) > 1:  # two lines that fit into one would have been one
        short = sorted(sum(lengths[row] for row in line) for line in lines)[:2]
        assert sum(short) > size


def test_the_first_token_of_a_line_is_never_asked(bundle: Bundle) -> None:
    row = TrainingExample(np.array([5, 6, 7]), np.array([5, 6, 7]))
    both = np.array([2])  # rows of the one slot that is read
    collate = Collator(
        [[row, row]], WEIGHTS, both, np.zeros(1, int), np.zeros(1, int), 0, packing=10
    )
    found = collate([{"slot": 0}])
    assert found["labels"].tolist() == [[IGNORE, 6, 7, IGNORE, 6, 7]]
    assert found["documents"].tolist() == [[0, 0, 0, 1, 1, 1]]


def test_halves_share_out_a_row_and_lose_nothing_that_is_asked() -> None:
    tokens = np.arange(10, 17)
    ratings = np.full(7, np.nan, dtype=np.float32)
    ratings[[2, 5]] = 4.0, 2.0
    labels = np.where(tokens > 12, tokens, IGNORE)
    blank = tokens % 2 == 0
    read, asked = TrainingExample(tokens, labels, ratings, blank, split=3).halves(start=1)
    assert read.input_ids.tolist() == [10, 11, 12]
    assert asked.input_ids.tolist() == [1, 13, 14, 15, 16]
    assert asked.labels.tolist() == [IGNORE, 13, 14, 15, 16]
    assert np.nan_to_num(asked.ratings).tolist() == [4, 0, 0, 2, 0]
    assert read.blank.tolist() == [True, False, True]
    assert asked.blank.tolist() == [False, False, True, False, True]


def test_a_decoder_is_asked_for_so_many_items(bundle: Bundle) -> None:
    levels = bundle.layout.codes.levels
    for ahead in (1, 2, 100):
        rows = rows_of(
            "next-item", bundle, config(next_item={"window": 8, "decoder_targets": ahead}), 30
        )
        asked = [(rows[i].halves(1)[1].labels != IGNORE).sum() // levels for i in range(30)]
        left = [(len(rows[i].labels) - rows[i].split) // levels for i in range(30)]
        assert asked == [min(ahead, n) for n in left]


def test_a_history_is_split_before_an_item_and_a_question_where_it_ends(bundle: Bundle) -> None:
    dense = rows_of("next-item", bundle, config(next_item={"window": 6}), 40)
    levels, first = bundle.layout.codes.levels, bundle.layout.first
    cuts = [dense[i].split for i in range(40)]
    assert all((cut - 1) % levels == 0 and cut > 1 for cut in cuts)
    assert len(set(cuts)) > 2
    assert all(dense[i].split < len(dense[i].labels) for i in range(40))
    question = PromptExamples(Questions(1), bundle.tokenizer, 200)[0]
    assert (question.labels[: question.split] == IGNORE).all()
    assert (question.labels[question.split :] != IGNORE).all()
    histories = RatedHistories(bundle.layout, bundle.tokenizer, SCALE, 1)
    tokens, ends, _ = histories.write(np.arange(4), np.array([1, 2, 3, 4]))
    assert (tokens[ends] >= first + bundle.layout.codes.sizes[0]).all()
