"""Prompts as branches of a shared history have the losses of separate examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_corpora import ITEMS, make_view
from tiny_models import llama, make_bundle, save_gpt2, save_llama, save_t5, scratch, some_codes

from p5rec.backbones.config import BackboneConfig
from p5rec.backbones.tree_attention import takes_blocks, use_tree_attention
from p5rec.core.errors import UserError
from p5rec.models.bundle import Bundle
from p5rec.models.multitask import Batch
from p5rec.train.examples.collate import Collator
from p5rec.train.examples.example import IGNORE, TrainingExample, TrainingExamples
from p5rec.train.learner import LearnerConfig, settings_of, training_prompts
from p5rec.train.training_data import build_training_data

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
FAMILIES = (
    "rating", "sequential-next", "sequential-candidates", "sequential-yesno", "direct",
    "explanation",
)  # fmt: skip
TASKS = ("next-item", "rating-sequence", *FAMILIES)
BACKBONES: dict[str, Callable[[Path], BackboneConfig]] = {
    "scratch": lambda _: scratch(items="positions"),
    "scratch tokens": lambda _: scratch(items="tokens"),
    "scratch lora": lambda _: scratch(items="positions", lora=True),
    "llama lora": lambda folder: llama(save_llama(folder), lora=True, items="positions"),
    "llama lora blocks": lambda folder: llama(save_llama(folder), lora=True, items="positions"),
    "gpt2 blocks": lambda folder: llama(save_gpt2(folder), lora=True, items="positions"),
    "gpt2": lambda folder: llama(save_gpt2(folder), lora=True, items="positions"),
    "t5": lambda folder: llama(save_t5(folder), lora=True, items="positions"),
    "t5 tokens": lambda folder: llama(save_t5(folder), lora=True, items="tokens"),
}


def learner(**train: object) -> LearnerConfig:
    settings = {
        "tasks": {name: {} for name in TASKS},
        "shared_history": {"prompts": 9},
        "next_item": {"window": 6},
        "steps": 3,
        "batch": 4,
    }
    return LearnerConfig(prompts={"candidates": 4}, train={**settings, **train})


def histories(bundle: Bundle, **train: object) -> TrainingExamples:
    config = learner(**train)
    library = training_prompts(config)
    return build_training_data(config, make_view().corpus, bundle, library)[0]["next-item"]


@pytest.fixture(scope="module", params=list(BACKBONES))
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    name = request.param
    config = BACKBONES[name](tmp_path_factory.mktemp("model"))
    built = make_bundle(config, some_codes(ITEMS, (7, 8)), scale=SCALE)
    if name.endswith("blocks"):
        use_tree_attention(built.model.causal)
        assert takes_blocks(built.model.causal)
    torch.nn.init.normal_(built.model.heads.regression.weight, std=0.1)
    return built


class Given(list[TrainingExample]):
    lengths = np.zeros(0, dtype=np.int64)


def collated(
    bundle: Bundle, examples: Sequence[TrainingExample], packing: int = 0
) -> dict[str, torch.Tensor]:
    """A batch of ``examples``, whose tokens have tasks of their own."""
    count = len(examples)
    weights = np.linspace(0.5, 1.5, len(TASKS))
    collator = Collator(
        [Given(examples)], weights, np.ones(1, int), np.zeros(count, int), np.arange(count),
        bundle.tokenizer.pad_token_id, packing=packing,
        start=bundle.model.start if bundle.model.seq2seq else None,
    )  # fmt: skip
    return collator([{"slot": n} for n in range(count)])


def separate(example: TrainingExample) -> list[TrainingExample]:
    """The history, and each prompt with its own copy of the history that it continues."""
    assert example.branches is not None
    assert example.ratings is not None
    out = []
    for branch in range(int(example.branches.max()) + 1):
        own = np.flatnonzero(example.branches == branch)
        if example.after is None:  # an encoder reads the beginning
            seen, own = np.arange(example.split), own[own >= example.split]
        else:
            seen = np.arange(int(example.after[own[0]]) + 1)
        tokens = np.concatenate([seen, own])
        labels, ratings = example.labels[tokens], example.ratings[tokens]
        labels[: len(seen)], ratings[: len(seen)] = IGNORE, np.nan
        out.append(
            TrainingExample(
                example.input_ids[tokens], labels, ratings, tasks=example.tasks[tokens],
                steps_back=None if example.steps_back is None else example.steps_back[tokens],
                blank=None if example.blank is None else example.blank[tokens],
                split=len(seen),
            )
        )  # fmt: skip
    return out


def gradients(bundle: Bundle, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    bundle.model.zero_grad()
    bundle.model(Batch(**batch), 100)["loss"].backward()
    named = bundle.model.named_parameters()
    return {name: p.grad.clone() for name, p in named if p.grad is not None}


def assert_equal(actual: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert actual.keys() == expected.keys()
    for name, gradient in expected.items():
        off = (gradient - actual[name]).norm()
        assert off <= 1e-4 * gradient.norm() + 1e-7, name


@pytest.mark.parametrize("packing", [0, 900])
def test_losses_and_gradients_equal_those_of_separate_examples(
    bundle: Bundle, packing: int
) -> None:
    if packing and bundle.model.seq2seq:
        pytest.skip("models with an encoder have no packing")
    shared = [histories(bundle)[n] for n in range(3)]
    apart = [each for example in shared for each in separate(example)]
    together, alone = collated(bundle, shared, packing), collated(bundle, apart)
    with torch.no_grad():
        actual, expected = (bundle.model(Batch(**each), 100) for each in (together, alone))
    for name in ("loss", "task_losses", "text_loss", "code_loss", "regression_loss"):
        assert torch.allclose(actual[name], expected[name], rtol=1e-4, atol=1e-6), name
    assert len(apart) > 15
    assert_equal(gradients(bundle, together), gradients(bundle, alone))


@pytest.mark.parametrize("bundle", ["llama lora", "llama lora blocks", "scratch"], indirect=True)
def test_gradient_checkpointing_changes_nothing(bundle: Bundle) -> None:
    batch = collated(bundle, [histories(bundle)[n] for n in range(3)])
    plain = gradients(bundle, batch)
    bundle.model.causal.gradient_checkpointing_enable({"use_reentrant": False})
    bundle.model.train()
    try:
        assert_equal(gradients(bundle, batch), plain)
    finally:
        bundle.model.eval()


@pytest.mark.parametrize("bundle", ["scratch"], indirect=True)
def test_a_branch_sees_neither_siblings_nor_later_events(bundle: Bundle) -> None:
    example = histories(bundle)[0]
    assert example.branches is not None
    assert example.after is not None
    chosen = int(np.unique(example.branches[example.after < example.after.max()])[1])
    own = example.branches == chosen
    targets = {
        "labels": np.where(own, example.labels, IGNORE),
        "ratings": np.where(own, example.ratings, np.float32(np.nan)),
    }
    limit = int(example.after[own][0])
    hidden = ~own & ((example.branches > 0) | (np.arange(len(own)) > limit))
    other = np.where(hidden, example.input_ids[::-1], example.input_ids)
    assert (other != example.input_ids).any()
    changed = [replace(example, input_ids=ids, **targets) for ids in (example.input_ids, other)]
    batches = [collated(bundle, [each]) for each in changed]
    with torch.no_grad():
        losses = [float(bundle.model(Batch(**batch), 1)["loss"]) for batch in batches]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0] > 0


@pytest.mark.parametrize("bundle", ["t5"], indirect=True)
def test_prompts_of_a_decoder_are_about_the_event_after_the_encoded_history(bundle: Bundle) -> None:
    view, config = make_view(), learner()
    examples, _ = build_training_data(config, view.corpus, bundle, training_prompts(config))
    shared = examples["next-item"]
    seen = set()
    for n in range(len(shared)):
        example, codes = shared[n], bundle.layout.items
        assert example.after is None
        assert example.branches is not None
        assert not example.branches[: example.split].any()
        item = example.input_ids[example.split :][: codes.shape[1]]
        row = int(np.flatnonzero((codes == item).all(1))[0])
        for branch in shared.branches:
            own = range(*branch.drawn.offsets[n : n + 2].tolist())
            assert len(own) <= 1
            assert all(view.corpus.interactions.items[branch.drawn.rows[own]] == row)
            seen.add(branch.task) if len(own) else None
    assert len(seen) == len(FAMILIES)


@pytest.mark.parametrize("bundle", ["scratch"], indirect=True)
def test_prompts_are_divided_by_shares_and_follow_their_event(bundle: Bundle) -> None:
    examples = histories(bundle, tasks={**{n: {} for n in TASKS}, "rating": {"share": 4.0}})
    counts = np.zeros(len(TASKS))
    for n in range(len(examples)):
        example = examples[n]
        assert example.tasks is not None
        assert example.branches is not None
        assert example.after is not None
        starts = np.flatnonzero(np.diff(example.branches, prepend=0))
        assert (example.after[starts] > 0).all()  # each prompt sees an event
        counts += np.bincount(example.tasks[starts], minlength=len(TASKS))
    assert counts[TASKS.index("rating")] > 2 * counts[TASKS.index("direct")] > 0
    assert counts[2:].all()


def test_histories_without_ratings_are_items_alone() -> None:
    config = learner(tasks={"next-item": {}, "sequential-yesno": {}})
    corpus = make_view(ratings=False).corpus
    bundle = make_bundle(scratch(items="positions"), some_codes(ITEMS, (7, 8)))
    examples, _ = build_training_data(config, corpus, bundle, training_prompts(config))
    example = examples["next-item"][0]
    assert example.branches is not None
    history = example.input_ids[example.branches == 0]
    assert (history[1:] >= bundle.layout.first).all()
    assert example.branches.max() > 0


def test_a_history_of_the_model_is_written_as_in_training() -> None:
    config = learner()
    view = make_view()
    settings = settings_of(config, view.corpus)
    assert settings.shared_history
    assert settings.scale == SCALE


@pytest.mark.parametrize(
    ("train", "error"),
    [
        ({"tasks": {"rating": {}}}, "next-item or rating-sequence"),
        ({"next_item": {"bos_probability": 0.5}}, "bos_probability"),
        ({"next_item": {"statistics": True}}, "statistics"),
    ],
)
def test_settings_that_exclude_shared_histories(train: dict[str, object], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        learner(**train)


def test_a_family_without_a_template_after_the_history() -> None:
    config = learner(tasks={"next-item": {}, "rating-statistics": {}})
    with pytest.raises(UserError, match="rating-statistics: expected a template with after"):
        training_prompts(config)
