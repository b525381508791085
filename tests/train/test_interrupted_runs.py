"""A crashed or interrupted run resumes from its checkpoint to the same weights."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_runs import config, curve, same, train
from tiny_models import scratch

from p5rec.core.artefacts import file_sha256
from p5rec.core.errors import UserError
from p5rec.models.bundle import Bundle
from p5rec.train.callbacks.checkpoints import newest_intact

DROPOUT = scratch(dropout=0.2)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return train(DROPOUT, config(steps=12), tmp_path_factory.mktemp("whole"))


def checkpoints(folder: Path) -> list[int]:
    return sorted(int(p.name.rsplit("-")[-1]) for p in folder.glob("checkpoints/*"))


class Crash(Exception):
    """A simulated crash."""


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


def test_a_crashed_run_resumes_from_its_checkpoint_to_the_same_weights(
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


def test_slow_steps_are_saved_at_time_intervals(tmp_path: Path, uninterrupted: Bundle) -> None:
    settings = config(steps=12, save_minutes=1e-9, evaluate_every=1)
    with pytest.raises(Crash):
        train(DROPOUT, settings, tmp_path, raises_at(8, crash))
    assert checkpoints(tmp_path)[-1] == 7
    assert same(train(DROPOUT, settings, tmp_path, dict), uninterrupted)


def test_the_first_interrupt_saves_and_the_run_resumes_to_the_same_weights(
    tmp_path: Path, uninterrupted: Bundle
) -> None:
    before = signal.getsignal(signal.SIGINT)
    settings = config(steps=12, evaluate_every=1)
    with pytest.raises(KeyboardInterrupt):
        train(DROPOUT, settings, tmp_path, raises_at(5, ctrl_c))
    assert checkpoints(tmp_path) == [6]  # the current step was finished
    assert signal.getsignal(signal.SIGINT) is before
    resumed = train(DROPOUT, settings, tmp_path, dict)
    assert same(resumed, uninterrupted)
    assert len(curve(tmp_path, "loss")["loss"]) == 12
    assert len(curve(tmp_path, "train_runtime")["train_runtime"]) == 1


def test_sigterm_saves_and_the_run_resumes(tmp_path: Path, uninterrupted: Bundle) -> None:
    before = signal.getsignal(signal.SIGTERM)
    settings = config(steps=12, evaluate_every=1)
    with pytest.raises(KeyboardInterrupt):
        train(
            DROPOUT, settings, tmp_path, raises_at(5, lambda: signal.raise_signal(signal.SIGTERM))
        )
    assert checkpoints(tmp_path) == [6]
    assert signal.getsignal(signal.SIGTERM) is before
    assert same(train(DROPOUT, settings, tmp_path, dict), uninterrupted)


def test_a_checkpoint_of_sharded_weights_is_refused_without_sharding(tmp_path: Path) -> None:
    settings = config(steps=12, save_every=3, evaluate_every=1)
    with pytest.raises(Crash):
        train(DROPOUT, settings, tmp_path, raises_at(8, crash))
    run = tmp_path / "checkpoints/checkpoint-6/run.json"
    about = json.loads(run.read_text())
    run.write_text(json.dumps({**about, "weights": "ZeRO-3 on 2 processes"}))
    hashes = json.loads(run.with_name("files.json").read_text())
    hashes["run.json"] = file_sha256(run)
    run.with_name("files.json").write_text(json.dumps(hashes))
    with pytest.raises(UserError, match=r"as in it \(ZeRO-3 on 2 processes\), got full copies"):
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


def test_a_run_interrupted_after_its_last_step_is_complete(
    tmp_path: Path, uninterrupted: Bundle
) -> None:
    train(DROPOUT, config(steps=12), tmp_path)
    assert checkpoints(tmp_path) == [12]
    assert same(train(DROPOUT, config(steps=12), tmp_path), uninterrupted)


@pytest.mark.parametrize("rubbish", ["half a checkpoint", "cut line"])
def test_partially_written_files_do_not_prevent_resuming(
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
    """A run with checkpoints after steps 3 and 6; tests must not change it."""
    folder = tmp_path_factory.mktemp("crashed")
    with pytest.raises(Crash):
        train(DROPOUT, CRASHES, folder, raises_at(8, crash))
    return folder


CRASHES = config(steps=12, save_every=3, evaluate_every=1, average=4)
FILES = (
    "files.json", "final_weights.safetensors", "optimizer.safetensors", "random-0.safetensors",
    "run.json",
    "scheduler.safetensors", "trained.safetensors", "trainer_state.json",
)  # fmt: skip


def test_a_checkpoint_has_no_pickle(crashed: Path) -> None:
    files = {path.name for path in (crashed / "checkpoints/checkpoint-6").iterdir()}
    assert files == set(FILES)


@pytest.mark.parametrize("cut", [0, 0.5, None], ids=["emptied", "halved", "deleted"])
@pytest.mark.parametrize("file", FILES)
def test_training_resumes_from_the_checkpoint_before_a_damaged_one(
    tmp_path: Path, crashed: Path, capsys: Any, file: str, cut: float | None
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(crashed, folder)
    damage(folder / "checkpoints/checkpoint-6" / file, cut)
    actual = newest_intact(folder / "checkpoints", writes=True)
    assert actual == folder / "checkpoints/checkpoint-3"
    printed = capsys.readouterr().out
    assert printed == (
        f"train: expected intact checkpoints, got checkpoint-6 with a damaged {file}; "
        "resuming from checkpoint-3\n"
    )
    assert checkpoints(folder) == [3]


@pytest.mark.parametrize("n_intact", [1, 0])
def test_a_damaged_checkpoint_does_not_change_the_result(
    tmp_path: Path, crashed: Path, capsys: Any, n_intact: int
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(crashed, folder)
    for path in sorted((folder / "checkpoints").iterdir())[n_intact:]:
        damage(path / "optimizer.safetensors", 0.5)
    again = train(DROPOUT, CRASHES, folder, dict)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 1
    assert printed[0].endswith("resuming from checkpoint-3" if n_intact else "starting over")
    assert same(again, train(DROPOUT, CRASHES, tmp_path / "uninterrupted", dict))


def damage(path: Path, cut: float | None) -> None:
    content = path.read_bytes()
    path.unlink()
    if cut is not None:
        path.write_bytes(content[: int(cut * len(content))])
