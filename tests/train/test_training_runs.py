"""Whole runs of a second: the curve they draw, and that nothing but the seed moves it."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import BACKBONES, ITEMS, SCALE, config, curve, fit_rows, same, train, weights
from tiny_models import make_bundle, scratch, some_codes
from transformers import TrainerState

from p5rec.core.artefacts import file_sha256
from p5rec.core.errors import UserError
from p5rec.models.checkpoint import Bundle
from p5rec.train import sft
from p5rec.train.callbacks.checkpoints import newest_whole
from p5rec.train.callbacks.divergence import Divergence
from p5rec.train.config import TrainConfig
from p5rec.train.distributed import check_joined, share

ROOT = Path(__file__).resolve().parents[2]
RECORD = runpy.run_path(str(ROOT / "scripts" / "record_golden_training.py"))
DROPOUT = scratch(dropout=0.2)


@pytest.mark.parametrize("model", BACKBONES)
def test_the_golden_curve_is_drawn_again(model: str) -> None:
    """Under the kernels of old and new x86-64 processors (SSE4.2, AVX2, AVX-512) losses lie within
    3e-6 of each other and gradient norms within 2e-3; a learning rate 1 % off moves every curve's
    losses by 2e-4 or more.
    """
    golden = json.loads((ROOT / "tests/golden/train" / f"{model}.json").read_text())
    found, off = RECORD["trajectory"](model), RECORD["trajectory"](model, 0.00101)
    assert found["loss"] == pytest.approx(golden["loss"], rel=5e-5)
    assert found["grad_norm"] == pytest.approx(golden["grad_norm"], rel=2e-2)
    assert off["loss"] != pytest.approx(golden["loss"], rel=5e-5)


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    one = train(DROPOUT, config(steps=6), tmp_path / "one")
    torch.manual_seed(99)
    again = train(DROPOUT, config(steps=6), tmp_path / "again")
    assert same(one, again)
    other = train(DROPOUT, config(steps=6, seed=1), tmp_path / "other")
    assert not same(one, other)


def test_what_is_watched_changes_nothing(tmp_path: Path) -> None:
    calls = []
    one = train(DROPOUT, config(steps=6), tmp_path / "one")
    settings = config(steps=6, evaluate_every=2, log_every=3, save_every=4)
    other = train(DROPOUT, settings, tmp_path / "other", lambda: calls.append(1) or {"HR@10": 0.5})
    assert same(one, other)
    assert len(calls) == 3
    logged = [json.loads(x) for x in (tmp_path / "other/metrics.jsonl").read_text().splitlines()]
    assert [x["step"] for x in logged if "valid_HR@10" in x] == [2, 4, 6]
    assert [x["step"] for x in logged if "loss" in x] == [2, 3, 4, 6]
    assert all("code_loss" in x or "text_loss" in x for x in logged if "loss" in x)


@pytest.mark.parametrize("level_losses", [False, True])
def test_each_task_s_loss_is_logged_and_each_level_s_where_asked(
    tmp_path: Path, level_losses: bool
) -> None:
    train(scratch(), config(steps=12, level_losses=level_losses), tmp_path)
    found = curve(tmp_path, "loss_dense", "loss_rating", "code_loss", "code_loss_1", "code_loss_2")
    assert len(found["loss_dense"]) > 2
    assert len(found["loss_rating"]) > 2
    if level_losses:
        pairs = zip(found["code_loss_1"], found["code_loss_2"], strict=True)
        assert [(a + b) / 2 for a, b in pairs] == pytest.approx(found["code_loss"], rel=1e-4)
    else:
        assert not found["code_loss_1"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return train(DROPOUT, config(steps=12), tmp_path_factory.mktemp("whole"))


def checkpoints(folder: Path) -> list[int]:
    return sorted(int(p.name.rsplit("-")[-1]) for p in folder.glob("checkpoints/*"))


class Crash(Exception):
    """The power went."""


def raises_at(call: int, what: Callable[[], object]) -> Callable[[], dict[str, float]]:
    """An eval function that does ``what`` at its n-th call."""
    calls = []

    def evaluate() -> dict[str, float]:
        calls.append(1)
        if len(calls) == call:
            what()
        return {}

    return evaluate


def crash() -> None:
    raise Crash


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_crashed_run_goes_on_from_its_checkpoint_to_the_same_weights(
    tmp_path: Path, uninterrupted: Bundle
) -> None:
    settings = config(steps=12, save_every=3, evaluate_every=1)
    with pytest.raises(Crash):
        train(DROPOUT, settings, tmp_path, raises_at(8, crash))
    assert checkpoints(tmp_path) == [3, 6]
    resumed = train(DROPOUT, settings, tmp_path, dict)
    assert same(resumed, uninterrupted)
    logged = [json.loads(x)["step"] for x in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert logged == sorted(logged)
    assert len(curve(tmp_path, "loss")["loss"]) == 12


def test_slow_steps_are_saved_by_the_clock(tmp_path: Path, uninterrupted: Bundle) -> None:
    settings = config(steps=12, save_minutes=1e-9, evaluate_every=1)
    with pytest.raises(Crash):
        train(DROPOUT, settings, tmp_path, raises_at(8, crash))
    assert checkpoints(tmp_path)[-1] == 7
    assert same(train(DROPOUT, settings, tmp_path, dict), uninterrupted)


def test_the_first_interrupt_saves_and_the_run_goes_on_to_the_same_weights(
    tmp_path: Path, uninterrupted: Bundle
) -> None:
    before = signal.getsignal(signal.SIGINT)
    settings = config(steps=12, evaluate_every=1)
    with pytest.raises(KeyboardInterrupt):
        train(DROPOUT, settings, tmp_path, raises_at(5, ctrl_c))
    assert checkpoints(tmp_path) == [6]  # the step in hand was finished
    assert signal.getsignal(signal.SIGINT) is before
    resumed = train(DROPOUT, settings, tmp_path, dict)
    assert same(resumed, uninterrupted)
    assert len(curve(tmp_path, "loss")["loss"]) == 12
    assert len(curve(tmp_path, "train_runtime")["train_runtime"]) == 1


def test_a_machine_that_is_taken_away_loses_nothing(tmp_path: Path, uninterrupted: Bundle) -> None:
    before = signal.getsignal(signal.SIGTERM)
    settings = config(steps=12, evaluate_every=1)
    with pytest.raises(KeyboardInterrupt):
        train(
            DROPOUT, settings, tmp_path, raises_at(5, lambda: signal.raise_signal(signal.SIGTERM))
        )
    assert checkpoints(tmp_path) == [6]
    assert signal.getsignal(signal.SIGTERM) is before
    assert same(train(DROPOUT, settings, tmp_path, dict), uninterrupted)


def test_a_loss_that_is_no_number_stops_the_run_and_names_its_rows(tmp_path: Path) -> None:
    settings = config(steps=12, save_every=2, learning_rate=1e30, clip=1e30, warmup=0)
    with pytest.raises(UserError) as caught:
        train(DROPOUT, settings, tmp_path)
    said = str(caught.value)
    assert re.search(r"train, step \d+: expected a finite loss, got (nan|inf)", said), said
    assert re.search(r"rows of (dense|rating) \d+, \d+", said), said


def test_a_run_whose_loss_explodes_stops_and_names_where_it_began(tmp_path: Path) -> None:
    wild = {"steps": 60, "learning_rate": 3.0, "clip": 1e9, "warmup": 60, "save_every": 1}
    train(scratch(items="tokens"), config(**wild, diverged=0), tmp_path / "never")
    losses = curve(tmp_path / "never", "loss")["loss"]
    assert len(losses) == 60
    assert np.isfinite(losses).all()
    with pytest.raises(UserError) as caught:
        train(scratch(items="tokens"), config(**wild), tmp_path / "watched")
    said = str(caught.value)
    assert "set train.diverged to a larger factor or to 0 (never)" in said
    assert re.search(r"it had rows of (dense|rating) \d+, \d+", said)
    first = int(re.search(r"train, step (\d+): expected a loss near", said)[1])
    assert len(curve(tmp_path / "watched", "loss")["loss"]) == first + 18  # the last is not logged
    assert min(losses[first - 1 : first + 19]) > 5 * np.quantile(losses[:10], 0.8)
    with pytest.raises(UserError) as caught:  # nor does it go on from the wrecked checkpoint
        train(scratch(items="tokens"), config(**wild), tmp_path / "watched")
    assert str(caught.value) == said


def test_spikes_hard_tasks_and_slow_progress_are_no_divergence() -> None:
    rng = np.random.default_rng(0)
    spikes = np.where(np.arange(400) % 50 > 35, 90.0, 2.0)
    falls = 8 * np.exp(-np.arange(400) / 80)
    tasks = [np.where(rng.random(2000) < share, 6.0, 0.01) for share in (0.02, 0.3, 0.5, 0.9)]
    for losses in (spikes, falls, np.zeros(100), *tasks):
        watch = Divergence(5.0, str)
        for loss in losses:
            step(watch, loss)


def test_a_level_that_is_left_for_good_is() -> None:
    watch = Divergence(5.0, lambda done: f"rows after {done}")
    for loss in [2.0] * 60 + [11.0] * 19:
        step(watch, loss)
    other = Divergence(5.0, lambda done: f"rows after {done}", watch.state())  # resumed
    for again in (watch, other):
        with pytest.raises(UserError, match=r"step 61: .*\(2\), got 11 or more .*rows after 60\)"):
            step(again, 11.0, at=80)


def step(watch: Divergence, loss: float, at: int = 0) -> None:
    for part in (0.25, 0.75):
        watch.add(torch.tensor(loss * part))
    watch.on_step_end(None, TrainerState(global_step=at), None)


def test_a_gradient_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    bundle = make_bundle(scratch(), some_codes(ITEMS), scale=SCALE)
    bundle.model.item_rows.register_hook(lambda gradient: gradient * np.inf)
    with pytest.raises(UserError, match=r"step 1: expected a finite gradient norm, got (nan|inf)"):
        fit_rows(bundle, config(steps=3), tmp_path)


def test_a_checkpoint_of_weights_in_pieces_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    settings = config(steps=12, save_every=3, evaluate_every=1)
    with pytest.raises(Crash):
        train(DROPOUT, settings, tmp_path, raises_at(8, crash))
    run = tmp_path / "checkpoints/checkpoint-6/run.json"
    about = json.loads(run.read_text())
    run.write_text(json.dumps({**about, "weights": "ZeRO-3 on 2 processes"}))
    hashes = json.loads(run.with_name("files.json").read_text())
    hashes["run.json"] = file_sha256(run)
    run.with_name("files.json").write_text(json.dumps(hashes))
    with pytest.raises(UserError, match=r"it holds them \(ZeRO-3 on 2 processes\), got all of"):
        train(DROPOUT, settings, tmp_path, dict)


def test_the_second_interrupt_stops_at_once(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)

    def twice() -> dict[str, float]:
        ctrl_c()
        ctrl_c()
        return {}

    with pytest.raises(KeyboardInterrupt):
        train(DROPOUT, config(evaluate_every=1), tmp_path, twice)
    assert checkpoints(tmp_path) == []
    assert signal.getsignal(signal.SIGINT) is before


def test_a_run_interrupted_after_its_last_step_is_whole(
    tmp_path: Path, uninterrupted: Bundle
) -> None:
    train(DROPOUT, config(steps=12), tmp_path)
    assert checkpoints(tmp_path) == [12]
    assert same(train(DROPOUT, config(steps=12), tmp_path), uninterrupted)


@pytest.mark.parametrize("rubbish", ["half a checkpoint", "cut line"])
def test_what_a_crash_left_half_written_is_no_hindrance(
    tmp_path: Path, uninterrupted: Bundle, rubbish: str
) -> None:
    settings = config(steps=12, save_every=3, evaluate_every=1)
    with pytest.raises(Crash):
        train(DROPOUT, settings, tmp_path, raises_at(8, crash))
    if rubbish == "half a checkpoint":
        half = tmp_path / "checkpoints" / ".writing" / "checkpoint-9"
        half.mkdir(parents=True)
        (half / "trainer_state.json").write_text("{}")
    else:
        with open(tmp_path / "metrics.jsonl", "a") as handle:
            handle.write('{"step": 8, "lo')
    assert same(train(DROPOUT, settings, tmp_path, dict), uninterrupted)


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with checkpoints after steps 3 and 6; read it, change nothing."""
    folder = tmp_path_factory.mktemp("crashed")
    with pytest.raises(Crash):
        train(DROPOUT, CRASHES, folder, raises_at(8, crash))
    return folder


CRASHES = config(steps=12, save_every=3, evaluate_every=1, average=4)
HELD = (
    "files.json", "kept.safetensors", "optimizer.safetensors", "random-0.safetensors", "run.json",
    "scheduler.safetensors", "trained.safetensors", "trainer_state.json",
)  # fmt: skip


def test_a_checkpoint_holds_no_pickle_that_is_read(crashed: Path) -> None:
    held = {path.name for path in (crashed / "checkpoints/checkpoint-6").iterdir()}
    assert held == set(HELD)


@pytest.mark.parametrize("cut", [0, 0.5, None], ids=["emptied", "halved", "deleted"])
@pytest.mark.parametrize("file", HELD)
def test_training_falls_back_to_the_checkpoint_before_a_damaged_one(
    tmp_path: Path, crashed: Path, capsys: Any, file: str, cut: float | None
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(crashed, folder)
    harm(folder / "checkpoints/checkpoint-6" / file, cut)
    found = newest_whole(folder / "checkpoints", writes=True)
    assert found == folder / "checkpoints/checkpoint-3"
    said = capsys.readouterr().out
    assert said == (
        f"train: expected whole checkpoints, got checkpoint-6 with a damaged {file}; "
        "going on from checkpoint-3\n"
    )
    assert checkpoints(folder) == [3]


@pytest.mark.parametrize("whole", [1, 0])
def test_a_damaged_checkpoint_does_not_change_the_result(
    tmp_path: Path, crashed: Path, capsys: Any, whole: int
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(crashed, folder)
    for path in sorted((folder / "checkpoints").iterdir())[whole:]:
        harm(path / "optimizer.safetensors", 0.5)
    again = train(DROPOUT, CRASHES, folder, dict)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1
    assert said[0].endswith("going on from checkpoint-3" if whole else "starting anew")
    assert same(again, train(DROPOUT, CRASHES, tmp_path / "uninterrupted", dict))


def harm(path: Path, cut: float | None) -> None:
    content = path.read_bytes()
    path.unlink()
    if cut is not None:
        path.write_bytes(content[: int(cut * len(content))])


def test_every_trainable_weight_is_optimised_once_at_its_own_rate(tmp_path: Path) -> None:
    seen = {}

    class Spy(sft.MultitaskTrainer):
        def create_optimizer(self, model=None):
            optimizer = super().create_optimizer(model)
            seen["groups"] = [dict(g) for g in optimizer.param_groups]
            return optimizer

    original, sft.MultitaskTrainer = sft.MultitaskTrainer, Spy
    try:
        settings = config(steps=1, row_learning_rate=0.5, weight_decay=0.1)
        bundle = train(scratch(lora=True), settings, tmp_path)
    finally:
        sft.MultitaskTrainer = original
    groups = seen["groups"]
    held = [p for group in groups for p in group["params"]]
    wanted = [p for p in bundle.model.parameters() if p.requires_grad]
    assert len(held) == len({id(p) for p in held}) == len(wanted)
    rows = bundle.model.causal.get_input_embeddings().new
    assert [group["lr"] for group in groups] == [0.01, 0.01, 0.5]
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0, 0.1]
    assert {*map(id, groups[2]["params"])} == {id(rows), id(bundle.model.item_rows)}


def test_frozen_weights_do_not_move(tmp_path: Path) -> None:
    before = weights(train(scratch(lora=True), config(steps=1, warmup=0), tmp_path / "a"))
    after = train(scratch(lora=True), config(steps=5, warmup=0), tmp_path / "b").model
    moved = {n for n, p in after.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {n for n, p in after.named_parameters() if p.requires_grad}


def test_nothing_is_reported_to_anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    for module in ("trl.trainer.base_trainer", "huggingface_hub.utils"):
        monkeypatch.setattr(f"{module}.send_telemetry", lambda *a, **k: told.append(a))
    train(scratch(), config(steps=1), tmp_path)
    assert told == []


def test_processes_that_did_not_join_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    check_joined(1, "NO")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="expected 2 processes training together, got 1"):
        check_joined(1, "NO")
    for way in ("DEEPSPEED", "FSDP"):  # accelerate leaves both out on a CPU, and says nothing
        with monkeypatch.context() as patch:
            patch.setenv(f"ACCELERATE_USE_{way}", "true")
            check_joined(2, way)
            with pytest.raises(UserError, match=f"training under {way}, got MULTI_CPU"):
                check_joined(2, "MULTI_CPU")


def test_a_step_reads_the_same_rows_on_any_number_of_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for count, wanted in {1: (4, 6), 2: (4, 3), 3: (4, 2), 4: (2, 3), 12: (2, 1)}.items():
        monkeypatch.setenv("WORLD_SIZE", str(count))
        rows, passes = share(4, 6)
        assert (rows, passes) == wanted
        assert rows * passes * count == 24
    for count in (5, 16):
        monkeypatch.setenv("WORLD_SIZE", str(count))
        with pytest.raises(UserError, match=rf"got 6 x 4 rows for {count} processes; set "):
            share(4, 6)


def test_a_config_says_what_it_refuses() -> None:
    for bad in ({"steps": -1}, {"tasks": {}}, {"dense": {"window": 1}}, {"batch": 0}):
        with pytest.raises(ValueError, match=r"greater than|at least 1"):
            TrainConfig(**bad)
