"""Checkpoints of a run: each is there whole, or not at all, and is looked at before it is used.

States in them are tensors and JSON in safetensors files: nothing that is read again can run code.
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
KEPT = 2
WRITING = ".writing"  # where the next one is made, beside the finished ones
RUN = "run.json"  # of a checkpoint: how it was launched, and what its losses were
FILES = "files.json"  # of a checkpoint: the hash of every other file, written last
TREE = "tree"  # in a state's metadata: the state as JSON, with a name in place of each tensor


def finished(folder: Path) -> list[Path]:
    """The checkpoints in ``folder``, the newest last."""
    return sorted(
        folder.glob("checkpoint-[0-9]*"), key=lambda path: int(path.name.rsplit("-", 1)[1])
    )


def newest_intact(folder: Path, writes: bool) -> Path | None:
    """The newest checkpoint in ``folder`` whose files are as they were written, if there is one.

    Damaged ones that are newer go, for the run will write others of those names, and a line says
    so.

    Args:
        writes: whether this process is the one that tells and removes.
    """
    harmed: dict[Path, str] = {}
    for path in reversed(finished(folder)):
        if not (file := damaged(path)):
            break
        harmed[path] = file
    else:
        path = None
    if harmed and writes:
        got = ", ".join(f"{place.name} with a damaged {file}" for place, file in harmed.items())
        on = "starting anew" if path is None else f"going on from {path.name}"
        print(f"train: expected whole checkpoints, got {got}; {on}", flush=True)
        for place in harmed:
            shutil.rmtree(place, ignore_errors=True)
    return path


def damaged(checkpoint: Path) -> str:
    """The first file of ``checkpoint`` that is missing or has changed; ``""`` if it is whole."""
    try:
        hashes = dict(json.loads((checkpoint / FILES).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return FILES
    for name, wanted in hashes.items():
        try:
            found = file_sha256(checkpoint / name)
        except OSError:
            found = None
        if found != wanted:
            return str(name)
    return ""


@contextmanager
def appearing(folder: Path, writes: bool, wait: Callable[[], None]) -> Iterator[None]:
    """What is made in ``folder/.writing`` meanwhile appears in ``folder`` by one rename.

    Its files are on the disk by then, and older checkpoints go only afterwards, so at any moment
    a killed process, a dead machine or a full disk leaves the last good one.

    Args:
        writes: whether this process is the one that renames and removes.
        wait: returns when all processes have called it.

    Raises:
        UserError: the disk is full, or does not let us write there.
    """
    work = folder / WRITING
    if writes:
        shutil.rmtree(work, ignore_errors=True)
    wait()
    try:
        with writing(folder):  # asks whether the disk is full before what fills it is removed
            yield
            wait()
            if writes:
                _show(work, folder)
    finally:
        if writes:
            shutil.rmtree(work, ignore_errors=True)


def _show(work: Path, folder: Path) -> None:
    for made in work.iterdir():
        files = sorted(path for path in made.rglob("*") if path.is_file())
        write_json(
            made / FILES, {file.relative_to(made).as_posix(): file_sha256(file) for file in files}
        )
    for path in (*work.rglob("*"), work):
        _sync(path)
    for made in work.iterdir():
        os.replace(made, folder / made.name)
    _sync(folder)
    for old in finished(folder)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_state(state: Any, path: Path) -> None:
    """Writes ``state``: numbers, strings, tensors, and dicts, lists and tuples of such."""
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_packed(state, tensors))
    save_file(tensors, path, metadata={TREE: tree})


def load_state(path: Path) -> Any:
    """What :func:`save_state` wrote, equal to the last bit; tensors are on the CPU."""
    with safe_open(path, framework="pt") as file:
        return _unpacked(json.loads(file.metadata()[TREE]), file)


def _packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = str(len(tensors))
        # a copy of its own: the format has no tensors that share their memory
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, _packed(part, tensors)] for key, part in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_packed(part, tensors) for part in value]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a training's state holds a {type(value).__name__}")


def _unpacked(tree: Any, file: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((kind, value),) = tree.items()
    if kind == "tensor":
        return file.get_tensor(value)
    if kind == "dict":
        return {key: _unpacked(part, file) for key, part in value}
    parts = [_unpacked(part, file) for part in value]
    return tuple(parts) if kind == "tuple" else parts


def random_state() -> dict[str, Any]:
    """Where this process's generators stand: Python's, numpy's, torch's."""
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
    """Puts the generators where :func:`random_state` found them."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    torch.random.set_rng_state(state["cpu"])
    if torch.cuda.is_available() and "cuda" in state:
        torch.cuda.random.set_rng_state(state["cuda"])
