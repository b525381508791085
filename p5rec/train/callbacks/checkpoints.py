"""Checkpoints of a run, written atomically and verified before use.

States in them are tensors and JSON in safetensors files, so loading them cannot run code.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from p5rec.core.artefacts import file_sha256, write_json, writing

FOLDER = "checkpoints"  # in the folder of a run
MAX_CHECKPOINTS = 2
WRITING = ".writing"  # folder of an unfinished checkpoint
RUN = "run.json"  # of a checkpoint: the launch, recent losses, early stopping
FILES = "files.json"  # of a checkpoint: hashes of all other files, written last
TREE = "tree"  # in a state's metadata: the state as JSON with names for tensors


def finished(folder: Path) -> list[Path]:
    """The checkpoints in ``folder``, the newest last."""
    return sorted(
        folder.glob("checkpoint-[0-9]*"), key=lambda path: int(path.name.rsplit("-", 1)[1])
    )


def newest_intact(folder: Path, writes: bool) -> Path | None:
    """The newest checkpoint in ``folder`` with intact files; None: there is none.

    Newer damaged checkpoints are deleted, because the run will write new ones of the same names.
    One line reports it.

    Args:
        folder: with all checkpoints of a run.
        writes: whether this process reports and deletes.
    """
    broken: dict[Path, str] = {}
    for path in reversed(finished(folder)):
        if not (file := damaged(path)):
            break
        broken[path] = file
    else:
        path = None
    if broken and writes:
        got = ", ".join(f"{each.name} with a damaged {file}" for each, file in broken.items())
        action = "starting over" if path is None else f"resuming from {path.name}"
        print(f"train: expected intact checkpoints, got {got}; {action}", flush=True)
        for each in broken:
            shutil.rmtree(each, ignore_errors=True)
    return path


def damaged(checkpoint: Path) -> str:
    """The first file of ``checkpoint`` that is missing or has changed; ``""``: it is intact."""
    try:
        hashes = dict(json.loads((checkpoint / FILES).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return FILES
    for name, expected in hashes.items():
        try:
            actual = file_sha256(checkpoint / name)
        except OSError:
            actual = None
        if actual != expected:
            return str(name)
    return ""


@contextmanager
def atomic_checkpoint(folder: Path, writes: bool, wait: Callable[[], None]) -> Iterator[None]:
    """Moves a checkpoint written to ``folder/.writing`` within this context to ``folder``.

    The files are synchronised to disk before the rename, and older checkpoints are deleted after
    it. So a killed process, a crashed machine or a full disk always leaves an intact checkpoint.

    Args:
        folder: for all checkpoints of a run.
        writes: whether this process renames and deletes.
        wait: returns when all processes have called it.

    Raises:
        UserError: the disk is full or not writable.
    """
    work = folder / WRITING
    if writes:
        shutil.rmtree(work, ignore_errors=True)
    wait()
    try:
        with writing(folder):  # checks for a full disk before files are deleted
            yield
            wait()
            if writes:
                _publish(work, folder)
    finally:
        if writes:
            shutil.rmtree(work, ignore_errors=True)


def _publish(work: Path, folder: Path) -> None:
    for checkpoint in work.iterdir():
        files = sorted(path for path in checkpoint.rglob("*") if path.is_file())
        write_json(
            checkpoint / FILES,
            {file.relative_to(checkpoint).as_posix(): file_sha256(file) for file in files},
        )
    for path in (*work.rglob("*"), work):
        _sync(path)
    for checkpoint in work.iterdir():
        os.replace(checkpoint, folder / checkpoint.name)
    _sync(folder)
    for old in finished(folder)[:-MAX_CHECKPOINTS]:
        shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_state(state: Any, path: Path) -> None:
    """Writes ``state``: numbers, strings, tensors, and dicts, lists and tuples of these."""
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_packed(state, tensors))
    save_file(tensors, path, metadata={TREE: tree})


def load_state(path: Path) -> Any:
    """Reads a state of :func:`save_state`, bit for bit; tensors are on the CPU."""
    with safe_open(path, framework="pt") as file:
        return _unpacked(json.loads(file.metadata()[TREE]), file)


def _packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = str(len(tensors))
        # a copy, because safetensors does not allow shared memory
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, _packed(each, tensors)] for key, each in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_packed(each, tensors) for each in value]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"cannot save a {type(value).__name__} in a training state")


def _unpacked(tree: Any, file: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((kind, value),) = tree.items()
    if kind == "tensor":
        return file.get_tensor(value)
    if kind == "dict":
        return {key: _unpacked(each, file) for key, each in value}
    values = [_unpacked(each, file) for each in value]
    return tuple(values) if kind == "tuple" else values


def random_state() -> dict[str, Any]:
    """The states of this process's random generators: Python, numpy, torch."""
    name, words, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    state = {
        "python": random.getstate(),
        "numpy": (name, np.asarray(words).tolist(), *rest),
        "cpu": torch.random.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.random.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Restores the states of :func:`random_state`."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    torch.random.set_rng_state(state["cpu"])
    if torch.cuda.is_available() and "cuda" in state:
        torch.cuda.random.set_rng_state(state["cuda"])
