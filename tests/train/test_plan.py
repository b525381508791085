"""Plans agree with the trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import llama, save_llama, scratch, some_codes
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from p5rec.backbones.config import BackboneConfig, LoraSettings
from p5rec.core.types import Corpus
from p5rec.data.build import build as build_corpus
from p5rec.data.config import DataConfig
from p5rec.ids.config import IdsConfig
from p5rec.methods.generative.method import Generative
from p5rec.models.bundle import Bundle, BundleSettings, build
from p5rec.models.multitask import Batch
from p5rec.train.config import TrainConfig
from p5rec.train.estimate import timing
from p5rec.train.estimate.cost import flops, load_of, matmul_rate, weights_of
from p5rec.train.estimate.memory import activation_bytes, memory_of
from p5rec.train.estimate.plan import ValidationTiming, plan, stand_in_codes
from p5rec.train.examples.collate import Collator
from p5rec.train.examples.example import TrainingExample
from p5rec.train.optimizer import make_optimizer
from p5rec.train.training import train

KINDS = ("scratch", "tokens", "t5", "lora", "dora", "targets")
IDS = IdsConfig(levels=2, codebook=8, vectors={"text": None})
TRAIN: dict[str, Any] = {"batch": 4, "precision": "float32", "max_tokens": 64}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    dataset = {"kind": "markov", "users": 30, "items": 40, "events": 12}
    return build_corpus(DataConfig(source="synthetic", synthetic=dataset))[0]


def backbone(kind: str, folder: Path) -> BackboneConfig:
    match kind:
        case "scratch":
            return scratch()
        case "tokens":
            return scratch(items="tokens", normalisation="vocab")
        case "t5":
            return scratch(shape="t5")
    changes = {"lora": {}, "dora": {"dora": True}, "targets": {"targets": ("q_proj",)}}[kind]
    return llama(folder).model_copy(update={"lora": LoraSettings(rank=4, **changes)})


def build_bundle(config: BackboneConfig, *, empty: bool) -> Bundle:
    settings = BundleSettings(backbone=config, seed=0, scale=(1.0, 2.0))
    return build(settings, some_codes(), range(24), empty=empty)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_without_weights_has_the_shapes_of_the_real_one(kind: str, folder: Path) -> None:
    config = backbone(kind, folder)
    real, shapes = build_bundle(config, empty=False).model, build_bundle(config, empty=True).model
    assert {n: (p.shape, p.dtype, p.requires_grad) for n, p in real.named_parameters()} == {
        n: (p.shape, p.dtype, p.requires_grad) for n, p in shapes.named_parameters()
    }
    assert all(p.is_meta for p in shapes.lm.parameters())
    planned = weights_of(shapes)
    assert planned.total == sum(p.numel() for p in real.parameters())
    assert planned.trained == sum(p.numel() for p in real.parameters() if p.requires_grad)
    if config.lora is not None:
        assert planned.adapters + planned.embeddings + planned.heads == planned.trained
        assert planned.adapters == sum(
            p.numel() for n, p in real.named_parameters() if "lora_" in n and p.requires_grad
        )


@pytest.mark.parametrize("steps", [6, 60])  # fewer and more examples of a task than the sample
def test_the_planned_load_is_that_of_the_training(
    steps: int, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = {"next-item": {"share": 2}, "sequential-next": {"examples": 2}}
    settings = TrainConfig(**TRAIN, tasks=tasks, steps=steps, next_item={"window": 5})  # type: ignore[arg-type]
    method = Generative(backbone=scratch(items="tokens"), train=settings)
    pretrained: dict[int, np.ndarray] = {}
    collate = Collator.__call__

    def spy(self: Collator, batch: Any) -> dict[str, torch.Tensor]:
        examples_of = self.examples_of(np.array([entry["slot"] for entry in batch]))
        for task, n in zip(*examples_of, strict=True):
            example = self.tasks[task][int(n)]
            counts = np.array([1, len(example.input_ids), (example.labels[1:] != -100).sum()])
            pretrained[task] = pretrained.get(task, 0) + counts
        return collate(self, batch)

    monkeypatch.setattr(Collator, "__call__", spy)
    planned = plan(method, stand_in_codes(IDS, len(corpus.catalog)), corpus)
    pretrained.clear()  # examples read for timing
    train(method, corpus, stand_in_codes(IDS, len(corpus.catalog)), tmp_path)
    histories, prompts = planned.tasks["next-item"].load, planned.tasks["sequential-next"].load
    assert [histories.examples, histories.tokens] == pytest.approx(pretrained[0][:2].tolist())
    exact = 1e-9 if steps == 6 else 0.02
    assert 2 * histories.items == pytest.approx(pretrained[0][2], rel=exact)
    assert prompts.examples == pretrained[1][0]
    actual = [prompts.tokens, 2 * prompts.items + prompts.words]
    assert actual == pytest.approx(pretrained[1][1:].tolist(), rel=exact)
    assert histories.examples + prompts.examples / 2 == steps * settings.slots
    assert planned.total.examples == histories.examples + prompts.examples


def some_examples(bundle: Bundle) -> list[TrainingExample]:
    """Histories of 12 target items, and prompts of the same length with 3 target words."""
    rng = np.random.default_rng(0)
    examples = []
    for _ in range(4):
        tokens = np.concatenate([[1], bundle.layout.items[rng.integers(0, 24, 12)].ravel()])
        examples.append(TrainingExample(tokens, np.where(np.arange(25) > 0, tokens, -100)))
        words = rng.integers(5, 200, 25)
        examples.append(TrainingExample(words, np.where(np.arange(25) > 21, words, -100)))
    return examples


def batch_of(bundle: Bundle) -> dict[str, torch.Tensor]:
    examples = some_examples(bundle)
    numbers, tasks, one = (
        np.arange(len(examples)),
        np.zeros(len(examples), dtype=int),
        np.ones(1, dtype=int),
    )
    collate = Collator([examples], one, one, tasks, numbers, 0)  # type: ignore[list-item]
    return collate([{"slot": n} for n in numbers])


@pytest.mark.parametrize("kind", ["scratch", "tokens", "lora", "targets"])
def test_planned_flops_are_those_of_the_training(kind: str, folder: Path) -> None:
    bundle = build_bundle(backbone(kind, folder), empty=False)
    merged = bundle.model.merged
    planned = flops(bundle.model, load_of(some_examples(bundle), bundle.layout, merged=merged))
    with FlopCounterMode(display=False) as counter:
        bundle.model.train()(Batch(**batch_of(bundle)))["loss"].backward()
    padded = 1.25 if merged else 1.0  # histories have half the positions of prompts
    assert planned * padded == pytest.approx(counter.get_total_flops(), rel=0.15)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("kind", ["scratch", "lora", "dora"])
def test_planned_activations_are_those_saved_for_backward(
    kind: str, checkpointing: bool, folder: Path
) -> None:
    config = backbone(kind, folder)
    bundle, settings = build_bundle(config, empty=False), TrainConfig(**TRAIN)
    decoder, saved = bundle.model.decoder.train(), {}
    weights = {p.untyped_storage().data_ptr() for p in bundle.model.parameters()}

    def save(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with saved_tensors_hooks(save, lambda tensor: tensor):
        pretrained = torch.randn(4, 30, bundle.model.traits.width, requires_grad=True)
        decoder(inputs_embeds=pretrained)
    real = sum(t.untyped_storage().nbytes() for at, t in saved.items() if at not in weights)
    shapes = build_bundle(config, empty=True).model
    changed = settings.model_copy(update={"gradient_checkpointing": checkpointing})
    planned = activation_bytes(shapes, changed, (4, 30))
    if checkpointing:  # two blocks: one of them, and their inputs
        real = real / 2 + 2 * pretrained.numel() * 4
    assert 0.98 * real < planned < 1.2 * real  # the unused attention mask is counted


def test_planned_memory_of_gradients_and_moments_is_exact(folder: Path) -> None:
    config = backbone("lora", folder)
    bundle, settings = build_bundle(config, empty=False), TrainConfig(**TRAIN)
    optimizer = make_optimizer(bundle.model, settings)
    outputs = bundle.model(Batch(**batch_of(bundle)))
    ratings = sum(p.sum() for p in bundle.model.heads.parameters())  # type: ignore[union-attr]
    (outputs["loss"] + ratings).backward()
    optimizer.step()
    planned = memory_of(
        build_bundle(config, empty=True).model,
        config,
        settings,
        (TRAIN["batch"], 25),
        load_of([], bundle.layout, merged=True),
    )
    moments = [t for state in optimizer.state.values() for t in state.values() if t.ndim]
    assert planned.moments == sum(t.numel() * t.element_size() for t in moments)
    gradients = [p.grad for p in bundle.model.parameters() if p.grad is not None]
    assert planned.gradients == sum(g.numel() * g.element_size() for g in gradients)
    assert planned.weights == sum(p.numel() * p.element_size() for p in bundle.model.parameters())


def test_a_small_model_is_timed_by_its_own_steps_and_validation_checks(
    corpus: Corpus, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = {"tasks": {"next-item": {}}, "steps": 40, "evaluate_every": 10}
    method = Generative(backbone=scratch(), train=TrainConfig(**TRAIN | steps))
    codes, validated = stand_in_codes(IDS, len(corpus.catalog)), []
    real = timing.step_seconds

    def timed(model: Any, tokenizer: Any, schedule: Any) -> float:
        before = [p.detach().clone() for p in model.parameters()]
        assert real(model, tokenizer, schedule) > 0
        assert any((a != b).any() for a, b in zip(before, model.parameters(), strict=True))
        return 3.0

    monkeypatch.setattr("p5rec.train.estimate.plan.step_seconds", timed)
    monkeypatch.setattr("p5rec.train.estimate.plan.seconds_of", lambda work: work() or 0.5)
    planned = plan(method, codes, corpus, validation=ValidationTiming(validated.append, 4))
    assert len(validated) == 1
    assert planned.timed == {"step": 3.0, "validation check": 2.0}
    assert planned.seconds["this machine"] == 40 * 3 + 4 * 2
    assert "3,000 ms a step, 2,000 ms a validation check, measured" in "".join(planned.lines())
    pretrained = Generative(backbone=llama(folder), train=method.train)
    assert plan(pretrained, codes, corpus).timed == {}  # pretrained weights are not read


def test_the_shortest_of_several_timings_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that takes 2 s of a busy thread, then 1 s, then 3 s."""
    clock, seconds = [0.0], iter([9.0, 2.0, 1.0, 3.0])  # of the first call, which is not timed

    def work() -> None:
        clock[0] += next(seconds)

    monkeypatch.setattr(timing.time, "thread_time", lambda: clock[0])
    assert timing.seconds_of(work) == 1.0


def test_the_speed_of_narrow_blocks_can_be_measured() -> None:
    """The table of positions is wider than each of their matrices times 16."""
    settings = BundleSettings(backbone=scratch(width=16, layers=1), seed=0)
    model = build(settings, some_codes(), range(24)).model
    assert matmul_rate(model, 4, torch.float32, seconds=0.01) > 0
