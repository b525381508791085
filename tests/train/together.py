"""One of several processes: trains models and saves their weights.

torchrun ... together.py FOLDER MODEL...
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from accelerate import PartialState
from safetensors.torch import save_file
from small_runs import BACKBONES, ITEMS, SCALE, config, fit_on
from tiny_models import make_bundle, some_codes

from p5rec.backbones.config import BackboneConfig
from p5rec.core.launch import rank
from p5rec.models.bundle import Bundle
from p5rec.train.distributed import is_sharded
from p5rec.train.examples.collate import Collator

STEPS, SLOTS = 12, 8
# at higher learning rates rounding differences grow tenfold every other step
SETTINGS = config(
    steps=STEPS, batch=4, accumulate=2, learning_rate=0.001, save_every=3, evaluate_every=1
)


class Crash(Exception):
    """A simulated crash."""


def untrained(backbone: BackboneConfig) -> Bundle:
    """The model before training."""
    return make_bundle(backbone, some_codes(ITEMS), std=0.0, scale=SCALE)


def validation(bundle: Bundle, crash_at: int = 0) -> Callable[[], dict[str, float]]:
    """A validation that calls submodules, like recommending; crashes at the n-th call."""
    calls = []

    @torch.no_grad()
    def measure() -> dict[str, float]:
        calls.append(1)
        if len(calls) == crash_at:
            raise Crash
        model, start = bundle.model, torch.tensor([[bundle.bos, *bundle.layout.items[0]]])
        hidden = model.decoder(inputs_embeds=model.embed(start)[0]).last_hidden_state
        logs = model.log_probs(hidden[:, -1], 0, torch.zeros(1, dtype=torch.long))
        return {"log": float(logs.max())}

    return measure


def record(backbone: BackboneConfig, folder: Path) -> None:
    """Trains without and with an interruption."""
    slots_read: list[int] = []
    collate = Collator.__call__

    def spy(self, batch):
        slots_read.extend(entry["slot"] for entry in batch)
        return collate(self, batch)

    bundle = untrained(backbone)
    with_spy, Collator.__call__ = Collator.__call__, spy
    state = fit_on(bundle, SETTINGS, folder / "complete", validation(bundle))
    Collator.__call__ = with_spy
    save_file(state, folder / f"complete{rank()}.safetensors")
    about = {
        "processes": dist.get_world_size(),
        "type": PartialState().distributed_type.value,
        "sharded": is_sharded(bundle.model),
        "slots": slots_read,
    }
    (folder / f"about{rank()}.json").write_text(json.dumps(about))

    bundle = untrained(backbone)
    try:
        fit_on(bundle, SETTINGS, folder / "stopped", validation(bundle, crash_at=8))
    except Crash:
        bundle = untrained(backbone)
        state = fit_on(bundle, SETTINGS, folder / "stopped", validation(bundle))
        save_file(state, folder / f"stopped{rank()}.safetensors")


if __name__ == "__main__":
    home = Path(sys.argv[1])
    # created before the process group: afterwards only the first process writes models
    models = {name: BACKBONES[name](home / name / f"backbone{rank()}") for name in sys.argv[2:]}
    for name, backbone in models.items():
        record(backbone, home / name)
    dist.destroy_process_group()
