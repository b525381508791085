"""Tasks, examples and their order in a training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_runs import RatingPrompts
from tiny_models import make_bundle, scratch

from p5rec.core.examples import Example
from p5rec.core.rng import occurrence
from p5rec.train.config import TaskConfig
from p5rec.train.examples.collate import Collator
from p5rec.train.examples.prompted import PromptExamples
from p5rec.train.schedule import assign_tasks, batch_order, tempered

TASKS = {"a": TaskConfig(share=3), "b": TaskConfig(share=1), "c": TaskConfig(share=1)}


def test_tasks_are_sampled_in_proportion_to_their_shares() -> None:
    tasks = assign_tasks(TASKS, 20_000, seed=0)
    assert np.bincount(tasks) / 20_000 == pytest.approx([0.6, 0.2, 0.2], abs=0.01)
    assert np.array_equal(tasks, assign_tasks(TASKS, 20_000, seed=0))
    assert not np.array_equal(tasks, assign_tasks(TASKS, 20_000, seed=1))


def test_a_higher_temperature_makes_task_shares_more_equal() -> None:
    sizes = {"a": 100, "b": 10_000, "c": 1}
    even = {name: TaskConfig(share=1) for name in sizes}

    def task_shares(temperature: float) -> np.ndarray:
        tasks = assign_tasks(tempered(even, sizes, temperature), 50_000, seed=0)
        return np.bincount(tasks, minlength=3) / 50_000

    assert task_shares(1) == pytest.approx(np.array([100, 10_000, 1]) / 10_101, abs=0.005)
    assert task_shares(2) == pytest.approx(np.array([10, 100, 1]) / 111, abs=0.01)
    assert task_shares(1e9) == pytest.approx(np.full(3, 1 / 3), abs=0.01)
    scaled = tempered({**even, "c": TaskConfig(share=50)}, sizes, 2)
    assert scaled["c"].share == pytest.approx(50)
    assert scaled["b"].share == pytest.approx(100)


@given(tasks=st.lists(st.integers(0, 3), max_size=40))
def test_slots_are_numbered_within_their_task(tasks: list[int]) -> None:
    seen = [0] * 4
    expected = []
    for task in tasks:
        expected.append(seen[task])
        seen[task] += 1
    assert occurrence(np.array(tasks, dtype=np.int64)).tolist() == expected


@given(
    n=st.integers(1, 200),
    batch=st.integers(1, 9),
    seed=st.integers(0, 5),
    kinds=st.integers(1, 4),
)
def test_batches_have_every_slot_once_with_similar_ones(
    n: int, batch: int, seed: int, kinds: int
) -> None:
    rng = np.random.default_rng(seed)
    tasks, lengths = rng.integers(0, kinds, n), rng.integers(1, 50, n)
    order = batch_order(tasks, lengths, batch, seed)
    assert sorted(order.tolist()) == list(range(n))
    assert np.array_equal(order, batch_order(tasks, lengths, batch, seed))
    full = n // batch * batch
    for start in range(0, full, 16 * batch):
        group = order[start : min(start + 16 * batch, full)].reshape(-1, batch)
        assert sorted(group.ravel().tolist()) == list(range(start, start + group.size))
        # a group sorted by task and length, cut into batches, the batches shuffled
        keys = sorted((int(tasks[r]), int(lengths[r]), int(r)) for r in group.ravel())
        ranked = [example for _, _, example in keys]
        expected = [tuple(ranked[at : at + batch]) for at in range(0, len(ranked), batch)]
        assert sorted(map(tuple, group.tolist())) == sorted(expected)
        mixed = sum(len(set(tasks[prompt_examples])) > 1 for prompt_examples in group)
        assert mixed <= kinds - 1


def test_batches_are_shuffled() -> None:
    tasks = np.repeat([0, 1], 64)
    order = batch_order(tasks, np.ones(128, dtype=np.int64), 8, 0)
    assert order.tolist() != list(range(128))


def prompt_examples(max_tokens: int, examples: list[Example]) -> PromptExamples:
    return PromptExamples(examples, make_bundle(scratch()).tokenizer, max_tokens)


def test_only_the_target_text_of_a_prompt_example_is_labelled() -> None:
    actual = prompt_examples(200, RatingPrompts(3))
    example, tokenizer = actual[2], actual.tokenizer
    is_target = example.labels != -100
    assert tokenizer.decode(example.labels[is_target]) == "3<|end|>"
    assert example.labels[is_target].tolist() == example.input_ids[is_target].tolist()
    (at,) = np.flatnonzero(np.isfinite(example.ratings))
    prompt = example.input_ids[: at + 1]
    assert tokenizer.decode(prompt) == "user: How many stars for <a_2><b_2>?\nassistant: "
    assert not is_target[: at + 1].any()
    assert is_target[at + 1 :].all()
    assert (example.ratings[at], len(actual)) == (3.0, 3)
    plain = prompt_examples(200, [Example("q", "t", "x", "x.v1")])[0]
    assert plain.ratings is None


def test_permuted_targets_keep_their_ratings() -> None:
    own = prompt_examples(200, RatingPrompts(5))
    permuted = PromptExamples(own.examples, own.tokenizer, 200, np.array([3, 4, 0, 1, 2]))
    for i, other in enumerate([3, 4, 0, 1, 2]):
        actual, own_prompt, other_example = permuted[i], own[i], own[other]
        assert (
            actual.input_ids[: actual.split].tolist()
            == own_prompt.input_ids[: own_prompt.split].tolist()
        )
        assert (
            actual.labels[actual.split :].tolist()
            == other_example.labels[other_example.split :].tolist()
        )
        assert actual.ratings[actual.split - 1] == other_example.ratings[other_example.split - 1]


@pytest.mark.parametrize("limit", [8, 16, 31, 64])
def test_an_example_that_is_too_long_keeps_the_end_of_the_prompt_and_the_target(limit: int) -> None:
    example = Example("x" * 100 + "what?", "yes", "t", "t.v1")
    example = prompt_examples(limit, [example])[0]
    tokenizer = make_bundle(scratch()).tokenizer
    assert len(example.input_ids) == limit
    assert tokenizer.decode(example.labels[example.labels != -100]) == "yes<|end|>"
    full_text = "x" * 100 + "what?\nassistant: "
    # the chat template stays if any of the prompt fits
    head = "user: " if limit - 4 > len("user: \nassistant: ") else ""
    is_target = example.labels != -100
    assert (
        tokenizer.decode(example.input_ids[~is_target])
        == head + full_text[-(limit - 4 - len(head)) :]
    )


def test_a_target_that_is_too_long_leaves_half_to_the_prompt() -> None:
    example = prompt_examples(16, [Example("what?", "y" * 100, "t", "t.v1")])[0]
    assert (example.labels != -100).sum() == 8
    assert len(example.input_ids) == 16


def test_a_batch_has_padded_examples_with_their_task_s_weight() -> None:
    prompts = prompt_examples(200, RatingPrompts(4))
    collator = Collator([prompts, prompts], np.array([1.0, 0.25]), np.ones(2, int),
                        np.array([0, 1, 1]), np.array([0, 3, 1]), pad_id=0)  # fmt: skip
    actual = collator([{"slot": 2}, {"slot": 0}])
    for b, example in enumerate((prompts[1], prompts[0])):
        n = len(example.input_ids)
        assert actual["weights"][b].tolist()[:n] == [(0.25, 1.0)[b]] * n
        assert actual["tasks"][b].tolist()[:n] == [1 - b] * n
        assert actual["input_ids"][b, :n].tolist() == example.input_ids.tolist()
        assert actual["labels"][b, :n].tolist() == example.labels.tolist()
        assert (actual["labels"][b, n:] == -100).all()
        of_batch = actual["ratings"][b, :n].numpy()
        assert np.array_equal(of_batch, example.ratings, equal_nan=True)
        assert actual["ratings"][b, n:].isnan().all()


def test_several_short_examples_fill_a_slot() -> None:
    one, three = np.ones(2), np.array([1, 3])
    collator = Collator([], one, three, np.array([0, 1, 1, 0]), np.array([0, 0, 1, 1]), pad_id=0)
    task_of, index_of = collator.examples_of(np.array([2, 3, 1]))
    assert task_of.tolist() == [1, 1, 1, 0, 1, 1, 1]
    assert index_of.tolist() == [3, 4, 5, 1, 0, 1, 2]


def test_optional_fields_have_fillers() -> None:
    prompts = prompt_examples(200, [Example("q", "t", "x", "x.v1")])
    one, zero = np.ones(1, int), np.zeros(1, int)
    actual = Collator([prompts], one, one, zero, zero, 0)([{"slot": 0}])
    assert actual["ratings"].isnan().all()
    assert not actual["blank"].any()
    assert actual["blank"].shape == actual["ratings"].shape == actual["input_ids"].shape
