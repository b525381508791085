"""FSDP2 weights sharded over two processes on the CPU, gathered and loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import in_two_processes

from p5rec.core.errors import UserError
from p5rec.train.distributed import check_quantised

WORKER = """
import torch
import torch.distributed as dist
from tiny_models import make_bundle, scratch, some_codes
from together import validation
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from p5rec.models.checkpoint import trainable_state
from p5rec.models.multitask import Batch
from p5rec.train.distributed import is_sharded, load_sharded, gathered, full_state

dist.init_process_group("gloo")
mesh = init_device_mesh("cpu", (2,))
bundle = make_bundle(scratch(), some_codes(), std=0.3, scale=(1.0, 2.0))
wanted = {name: value.clone() for name, value in trainable_state(bundle.model).items()}
metrics = validation(bundle)()
for layer in bundle.model.decoder.layers:
    fully_shard(layer, mesh=mesh)
fully_shard(bundle.model, mesh=mesh)
assert is_sharded(bundle.model)
held = sum(p.to_local().numel() for p in bundle.model.parameters())
assert held < 0.6 * sum(value.numel() for value in wanted.values())
ids = torch.tensor([[bundle.bos, *bundle.layout.items[:3].reshape(-1)]])
bundle.model(Batch(ids, ids, torch.ones(ids.shape)))["loss"].backward()  # sets up a first step


def has_state(state):
    found = full_state(bundle.model)
    return found.keys() == state.keys() and all(torch.equal(found[n], state[n]) for n in state)


assert has_state(wanted)
with gathered(bundle.model, bundle.model):
    assert validation(bundle)() == metrics
load_sharded(bundle.model, {name: value + 1 for name, value in wanted.items()})
assert not has_state(wanted)
assert has_state({name: value + 1 for name, value in wanted.items()})
dist.destroy_process_group()
"""


@pytest.mark.nightly
def test_two_processes_have_half_of_the_weights_each(tmp_path: Path) -> None:
    in_two_processes(WORKER, tmp_path)


def test_a_quantised_backbone_is_not_sharded() -> None:
    for actual in ("ZeRO-2 on 2 processes", "full copies on each process"):
        check_quantised(True, actual)
    for actual in ("ZeRO-3 on 2 processes", "FSDP on 8 processes"):
        check_quantised(False, actual)
        with pytest.raises(UserError, match=f"expected unsharded weights, got {actual}; launch"):
            check_quantised(True, actual)
