"""Masked items, masked words and preference beside the sequential task, in one training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from small_corpora import ITEMS, make_view
from tiny_models import make_bundle, scratch, some_codes

from p5rec.models.checkpoint import load_bundle
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.family_predictions import predict_family
from p5rec.train.examples.prompted import PromptExamples
from p5rec.train.learner import LearnerConfig, training_prompts
from p5rec.train.training import train
from p5rec.train.training_data import build_training_data

NEXT, AUXILIARY = "sequential-next", ("masked-items", "masked-words", "preference")
CODES = some_codes(ITEMS, (7, 8))


def learner(*tasks: str, **settings: Any) -> LearnerConfig:
    steps = {"steps": 6, "batch": 8, "max_tokens": 400, "precision": "float32", "warmup": 1}
    return LearnerConfig(
        backbone=scratch(),
        prompts={"items": "title", "max_history": 3},
        train={"tasks": {name: {} for name in (NEXT, *tasks)}, **steps, **settings},
    )


def training_data(config: LearnerConfig) -> tuple[dict[str, PromptExamples], np.ndarray]:
    corpus, library = make_view().corpus, training_prompts(config)
    bundle = make_bundle(scratch(), CODES, prompts=config.prompts)
    tasks, task_of = build_training_data(config, corpus, bundle, library)
    assert all(isinstance(examples, PromptExamples) for examples in tasks.values())
    return tasks, task_of  # type: ignore[return-value]


def texts(examples: PromptExamples) -> list[tuple[str, str]]:
    """The prompt and the target of each example."""
    decode, rows = examples.tokenizer.decode, map(examples.__getitem__, range(len(examples)))
    return [(decode(r.input_ids[: r.split]), decode(r.input_ids[r.split :])) for r in rows]


@pytest.mark.system("recknowledge")
def test_only_the_named_families_have_permuted_targets() -> None:
    plain, permuted = (
        training_data(learner(*AUXILIARY, permute_targets=families))[0]
        for families in (False, AUXILIARY)
    )
    assert texts(plain[NEXT]) == texts(permuted[NEXT])
    for name in AUXILIARY:
        own, other = texts(plain[name]), texts(permuted[name])
        assert [source for source, _ in own] == [source for source, _ in other]
        assert [target for _, target in own] != [target for _, target in other]
        assert sorted(target for _, target in own) == sorted(target for _, target in other)
    with pytest.raises(ValidationError, match=r"expected prompt families among the tasks, got \["):
        learner(permute_targets=("preference",))


@pytest.mark.system("recknowledge")
def test_steps_and_slots_are_the_same_with_and_without_auxiliary_tasks() -> None:
    (alone, slots_alone), (_, slots) = (training_data(learner(*tasks)) for tasks in ((), AUXILIARY))
    assert len(slots) == len(slots_alone) == len(alone[NEXT]) == 6 * 8
    assert set(slots.tolist()) == {0, 1, 2, 3}


@pytest.mark.system("recknowledge")
def test_prompts_show_titles_and_no_codes_or_users() -> None:
    for examples in training_data(learner(*AUXILIARY))[0].values():
        for source, target in texts(examples):
            assert "Title-" in source + target
            assert "<a_" not in source + target
            assert "person-" not in source + target


@pytest.mark.system("recknowledge")
def test_lists_of_titles_are_valid_and_the_same_after_a_reload(tmp_path: Path) -> None:
    view, decode = make_view(), DecodeConfig(k=12, beams=40)
    train(learner(*AUXILIARY), view.corpus, CODES, tmp_path)
    bundles = [load_bundle(tmp_path).ready() for _ in range(2)]
    log = view.corpus.interactions
    for family, longest in ((NEXT, 12), ("masked-items", 12), ("preference", 2)):
        predicted: Any
        predicted, again = (
            predict_family(each, each.view(view.corpus), family, "test", "all", decode, seed=1)
            for each in bundles
        )
        assert predicted.lists == again.lists
        assert predicted.scores == again.scores
        assert len(predicted.lists) == log.n_users
        for user, items in zip(predicted.users, predicted.lists, strict=True):
            listed = [item for item in items if item >= 0]
            assert len(set(listed)) == len(listed) == longest
            start, stop = log.offsets[[user, user + 1]]
            assert not set(listed) & set(log.items[start : stop - 1].tolist())
