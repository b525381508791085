"""Which rows are read, of which task, in which order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_runs import Questions
from tiny_models import make_bundle, scratch

from p5rec.core.examples import Example
from p5rec.core.rng import occurrence
from p5rec.train.config import TaskConfig
from p5rec.train.examples.collate import Collator
from p5rec.train.examples.prompted import PromptExamples
from p5rec.train.schedule import assign_tasks, batch_order, tempered

TASKS = {"a": TaskConfig(share=3), "b": TaskConfig(share=1), "c": TaskConfig(share=1)}


def test_tasks_come_by_their_shares_and_rows_keep_theirs() -> None:
    tasks = assign_tasks(TASKS, 20_000, seed=0)
    assert np.bincount(tasks) / 20_000 == pytest.approx([0.6, 0.2, 0.2], abs=0.01)
    assert np.array_equal(tasks, assign_tasks(TASKS, 20_000, seed=0))
    assert not np.array_equal(tasks, assign_tasks(TASKS, 20_000, seed=1))


def test_the_hotter_the_more_alike_are_tasks_of_unequal_size() -> None:
    sizes = {"a": 100, "b": 10_000, "c": 1}
    even = {name: TaskConfig(share=1) for name in sizes}

    def drawn(temperature: float) -> np.ndarray:
        tasks = assign_tasks(tempered(even, sizes, temperature), 50_000, seed=0)
        return np.bincount(tasks, minlength=3) / 50_000

    assert drawn(1) == pytest.approx(np.array([100, 10_000, 1]) / 10_101, abs=0.005)
    assert drawn(2) == pytest.approx(np.array([10, 100, 1]) / 111, abs=0.01)
    assert drawn(1e9) == pytest.approx(np.full(3, 1 / 3), abs=0.01)
    scaled = tempered({**even, "c": TaskConfig(share=50)}, sizes, 2)
    assert scaled["c"].share == pytest.approx(50)
    assert scaled["b"].share == pytest.approx(100)


@given(tasks=st.lists(st.integers(0, 3), max_size=40))
def test_a_row_s_number_within_its_task_counts_up(tasks: list[int]) -> None:
    seen = [0] * 4
    wanted = []
    for task in tasks:
        wanted.append(seen[task])
        seen[task] += 1
    assert occurrence(np.array(tasks, dtype=np.int64)).tolist() == wanted


@given(
    n=st.integers(1, 200),
    batch=st.integers(1, 9),
    seed=st.integers(0, 5),
    kinds=st.integers(1, 4),
)
def test_batches_hold_every_row_once_and_like_beside_like(
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
        ranked = [row for _, _, row in keys]
        wanted = [tuple(ranked[at : at + batch]) for at in range(0, len(ranked), batch)]
        assert sorted(map(tuple, group.tolist())) == sorted(wanted)
        mixed = sum(len(set(tasks[rows])) > 1 for rows in group)
        assert mixed <= kinds - 1


def test_batches_do_change_places() -> None:
    tasks = np.repeat([0, 1], 64)
    order = batch_order(tasks, np.ones(128, dtype=np.int64), 8, 0)
    assert order.tolist() != list(range(128))


def rows(max_tokens: int, examples: list[Example]) -> PromptExamples:
    return PromptExamples(examples, make_bundle(scratch()).tokenizer, max_tokens)


def test_a_prompt_row_asks_for_the_answer_alone() -> None:
    found = rows(200, Questions(3))
    row, tokenizer = found[2], found.tokenizer
    asked = row.labels != -100
    assert tokenizer.decode(row.labels[asked]) == "3<|end|>"
    assert row.labels[asked].tolist() == row.input_ids[asked].tolist()
    (at,) = np.flatnonzero(np.isfinite(row.ratings))
    question = row.input_ids[: at + 1]
    assert tokenizer.decode(question) == "user: How many stars for <a_2><b_2>?\nassistant: "
    assert not asked[: at + 1].any()
    assert asked[at + 1 :].all()
    assert (row.ratings[at], len(found)) == (3.0, 3)
    plain = rows(200, [Example("q", "t", "x", "x.v1")])[0]
    assert plain.ratings is None


def test_permuted_answers_are_those_of_others_their_ratings_with_them() -> None:
    own = rows(200, Questions(5))
    dealt = PromptExamples(own.examples, own.tokenizer, 200, np.array([3, 4, 0, 1, 2]))
    for i, other in enumerate([3, 4, 0, 1, 2]):
        found, asker, answerer = dealt[i], own[i], own[other]
        assert found.input_ids[: found.split].tolist() == asker.input_ids[: asker.split].tolist()
        assert found.labels[found.split :].tolist() == answerer.labels[answerer.split :].tolist()
        assert found.ratings[found.split - 1] == answerer.ratings[answerer.split - 1]


@pytest.mark.parametrize("limit", [8, 16, 31, 64])
def test_a_row_that_is_too_long_keeps_the_question_s_end_and_the_whole_answer(limit: int) -> None:
    example = Example("x" * 100 + "what?", "yes", "t", "t.v1")
    row = rows(limit, [example])[0]
    tokenizer = make_bundle(scratch()).tokenizer
    assert len(row.input_ids) == limit
    assert tokenizer.decode(row.labels[row.labels != -100]) == "yes<|end|>"
    whole = "x" * 100 + "what?\nassistant: "
    # the chat's own words stay where any of the question can stand between them
    head = "user: " if limit - 4 > len("user: \nassistant: ") else ""
    asked = row.labels != -100
    assert tokenizer.decode(row.input_ids[~asked]) == head + whole[-(limit - 4 - len(head)) :]


def test_an_answer_that_is_too_long_leaves_half_to_the_question() -> None:
    row = rows(16, [Example("what?", "y" * 100, "t", "t.v1")])[0]
    assert (row.labels != -100).sum() == 8
    assert len(row.input_ids) == 16


def test_a_batch_is_its_rows_padded_with_their_task_s_weight() -> None:
    prompts = rows(200, Questions(4))
    collator = Collator([prompts, prompts], np.array([1.0, 0.25]), np.ones(2, int),
                        np.array([0, 1, 1]), np.array([0, 3, 1]), pad_id=0)  # fmt: skip
    found = collator([{"slot": 2}, {"slot": 0}])
    for b, row in enumerate((prompts[1], prompts[0])):
        n = len(row.input_ids)
        assert found["weights"][b].tolist()[:n] == [(0.25, 1.0)[b]] * n
        assert found["tasks"][b].tolist()[:n] == [1 - b] * n
        assert found["input_ids"][b, :n].tolist() == row.input_ids.tolist()
        assert found["labels"][b, :n].tolist() == row.labels.tolist()
        assert (found["labels"][b, n:] == -100).all()
        told = found["ratings"][b, :n].numpy()
        assert np.array_equal(told, row.ratings, equal_nan=True)
        assert found["ratings"][b, n:].isnan().all()


def test_short_rows_fill_a_slot_several_at_a_time() -> None:
    one, three = np.ones(2), np.array([1, 3])
    collator = Collator([], one, three, np.array([0, 1, 1, 0]), np.array([0, 0, 1, 1]), pad_id=0)
    task_of, index_of = collator.filled(np.array([2, 3, 1]))
    assert task_of.tolist() == [1, 1, 1, 0, 1, 1, 1]
    assert index_of.tolist() == [3, 4, 5, 1, 0, 1, 2]


def test_rows_that_hide_and_rate_nothing_stand_beside_those_that_do() -> None:
    prompts = rows(200, [Example("q", "t", "x", "x.v1")])
    one, zero = np.ones(1, int), np.zeros(1, int)
    found = Collator([prompts], one, one, zero, zero, 0)([{"slot": 0}])
    assert found["ratings"].isnan().all()
    assert not found["blank"].any()
    assert found["blank"].shape == found["ratings"].shape == found["input_ids"].shape
