"""A disk that fills up while something is written: one line, exit code 2, nothing half-written.

Stand-ins for the writing calls raise the errors of a full disk, as each library raises them.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from my_folder import Mine, Trained, files

Patch = pytest.MonkeyPatch


def no_space(*_: object, **__: object) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_in_polars(*_: object, **__: object) -> Any:
    raise ValueError("Error while serializing: I/O error: No space left on device (os error 28)")


def full_from_now(patch: Patch) -> None:
    """A full disk, for libraries whose errors do not say so."""
    patch.setattr("shutil.disk_usage", lambda path: type("Disk", (), {"total": 9, "free": 0})())


def data(patch: Patch) -> None:
    patch.setattr("p5rec.data.prepare.write_json", no_space)


def codes(patch: Patch) -> None:
    patch.setattr("p5rec.ids.files.write_json", no_space)


def syncing(patch: Patch) -> None:
    patch.setattr(os, "fsync", no_space)


def model_of_a_baseline(patch: Patch) -> None:
    patch.setattr("p5rec.methods.arrays.save_file", full_in_polars)


def lists_of_a_baseline(patch: Patch) -> None:
    patch.setattr("p5rec.recommend.list_files.save_file", full_in_polars)


def lineage(patch: Patch) -> None:
    def cut_short(*_: object, **__: object) -> None:
        full_from_now(patch)
        raise OSError("200 requested and 0 written")  # numpy, which gives no errno

    patch.setattr(np, "save", cut_short)


def optimiser_of_a_checkpoint(patch: Patch) -> None:
    def cut_short(*_: object, **__: object) -> None:
        full_from_now(patch)
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534")

    patch.setattr("p5rec.train.callbacks.checkpoints.save_file", cut_short)


def weights_of_a_checkpoint(patch: Patch) -> None:
    patch.setattr("p5rec.train.trainer.save_file", full_in_polars)


def the_bundle(patch: Patch) -> None:
    patch.setattr("p5rec.models.checkpoint.save_file", full_in_polars)


def the_page(patch: Patch) -> None:
    patch.setattr("p5rec.report.page.page", no_space)


def the_lists(patch: Patch) -> None:
    patch.setattr("polars.DataFrame.write_parquet", full_in_polars)


def publishing(patch: Patch) -> None:
    patch.setattr(os, "replace", no_space)


TRAINING = "training"  # the fit of a network, after those of the baselines
ORDER = ("data", "ids", "fit", "model", TRAINING, "predictions", "trial", "reference", "report")
FAILURES: dict[str, list[Callable[[Patch], None]]] = {
    "data": [data, lineage, publishing],
    "ids": [codes],
    "fit": [model_of_a_baseline],
    TRAINING: [weights_of_a_checkpoint, optimiser_of_a_checkpoint, the_bundle],
    "predictions": [lists_of_a_baseline],
    "report": [the_page, the_lists],
}


def one_line(answer: tuple[int, str, str], said: str) -> None:
    code, _, err = answer
    lines = [line for line in err.splitlines() if "p5rec: " in line]
    assert (code, len(lines)) == (2, 1), err
    assert lines[0].startswith("p5rec: "), "the message is on the line of a progress bar"
    assert said in lines[0]
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("stage", "breaks"),
    [(stage, breaks) for stage, all_ in FAILURES.items() for breaks in all_],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_in_a_stage_of_a_run(
    p5rec: Any, mine: Mine, home: Path, stage: str, breaks: Callable[[Patch], None]
) -> None:
    before = files(mine.folder)
    words = ("run", "sft", "--config", mine.config, "--out", mine.folder / "out")
    with pytest.MonkeyPatch.context() as patch:
        breaks(patch)
        name = "fit" if stage == TRAINING else stage
        one_line(p5rec(*words), f"{name}: expected to write under {home / 'store'}, got ")
    finished = {path.parent.name for path in home.glob("store/*/[!.]*")}
    assert finished == set(ORDER[: ORDER.index(stage)]) - {TRAINING}
    if stage != TRAINING:  # whose hidden checkpoints wait for the next run
        assert {path.suffix for path in home.glob("store/*/.*")} <= {".lock"}
    assert files(mine.folder) == before
    assert not (mine.folder / "out").exists()


@pytest.mark.parametrize(
    "breaks", [weights_of_a_checkpoint, optimiser_of_a_checkpoint, the_bundle],
    ids=lambda value: value.__name__,
)  # fmt: skip
def test_training_resumes_when_there_is_space_again(
    p5rec: Any, mine: Mine, trained: Trained, breaks: Callable[[Patch], None]
) -> None:
    every = "methods.mine.train.save_every=2"
    words = ("run", "sft", "--config", mine.config, "--out", mine.folder / "out", every)
    with pytest.MonkeyPatch.context() as patch:
        breaks(patch)
        assert p5rec(*words)[0] == 2
    assert p5rec(*words)[0] == 0
    weights = "models/mine/trained.safetensors"
    assert (mine.folder / "out" / weights).read_bytes() == (trained.out / weights).read_bytes()


def copying(patch: Patch) -> None:
    patch.setattr("shutil.copy2", no_space)
    patch.setattr("shutil.copytree", no_space)


def renaming(patch: Patch) -> None:
    patch.setattr(os, "replace", no_space)


@pytest.mark.parametrize("breaks", [copying, renaming], ids=lambda value: value.__name__)
def test_published_outputs_are_complete_or_unchanged(
    p5rec: Any, trained: Trained, monkeypatch: Patch, breaks: Callable[[Patch], None]
) -> None:
    """The store is complete; the output folder has the old run, or nothing."""
    monkeypatch.setenv("P5REC_HOME", str(trained.folder / "home"))
    words = ("run", "sft", "--config", trained.config, "--out", "out")
    with pytest.MonkeyPatch.context() as patch:
        breaks(patch)
        one_line(p5rec(*words), "out: expected to write there, got a full disk; free some space")
    assert not Path("out").exists()
    assert p5rec(*words)[0] == 0
    Path("out/mine.txt").write_text("a note of the user's")
    before = {path: path.read_bytes() for path in files(Path("out"))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shutil.copy2", no_space)
        patch.setattr("shutil.copytree", no_space)
        one_line(p5rec(*words), "out: expected to write there")
    assert {path: path.read_bytes() for path in files(Path("out"))} == before


COMMANDS: dict[str, tuple[list[str], Callable[[Patch], None]]] = {
    "recommend": (["--out", "a.parquet"], the_lists),
    "recommend to JSON lines": (["--out", "a.jsonl"], syncing),
    "evaluate": (["--out", "measured"], copying),
    "evaluate its page": (["--out", "measured"], the_page),
    "ids": (["--out", "codes"], copying),
    "data": (["--out", "prepared"], data),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_in_other_commands(p5rec: Any, trained: Trained, name: str) -> None:
    words, breaks = COMMANDS[name]
    first = name.split()[0]
    model = ["--model", trained.model] if first in ("recommend", "evaluate") else []
    config = ["--config", trained.config]
    part = {
        "ids": ["ids", "build", trained.config],
        "data": ["data", "prepare", trained.config],
    }.get(first, [first, *config])
    # what the command reads is prepared before the disk is full
    assert p5rec("evaluate", *config, "--lists", trained.out / "lists/mine.jsonl")
    with pytest.MonkeyPatch.context() as patch:
        breaks(patch)
        one_line(p5rec(*part, *model, *words), "got a full disk")
    assert list(Path().iterdir()) == []
