"""States that a training goes on from, as tensors and JSON in one safetensors file: nothing that
is read again can run code."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

TREE = "tree"  # in a file's metadata: the state as JSON, with a name in place of each tensor


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
