"""The parts of ``gpu_table``: a process each, which writes a row as soon as it is measured.

python scripts/gpu_parts.py PART [--tiny] [--seconds 300] [--data FOLDER] [--work FOLDER]

Rows go to the standard output, one JSON object a line; whatever else is printed goes to the
standard error. ``--tiny`` takes small random models and a synthetic log: the same code in seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_decode import PROMPT, SEEN, best_of, bundle_of
from bench_train import MIXTURE, Table, learn_same, same_rows, speed
from decode_ways import LEVELS, by_function, generated, ours
from train_ways import MOVIELENS

from p5rec.cli.run import Options, execute, resolve
from p5rec.core.artefacts import read_json
from p5rec.data.config import DataConfig
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.decode.token_rows import TokenRows

Row = dict[str, Any]  # what was measured, its value and unit, and a note

WORLD = {"kind": "markov", "users": 80, "items": 80, "events": 8}
NETWORK = {"kind": "scratch", "width": 16, "layers": 1, "heads": 2, "feedforward": 32}
MODEL = "smollm2-no-linear"  # of the recipe whole-smollm2
MOST = 8  # epochs
MARGIN = 1.3  # times what the first epoch and everything around it took


@dataclass(frozen=True)
class Settings:
    """How a part is measured.

    Attributes:
        tiny: with small random models, on a synthetic log.
        seconds: that it may take; beyond that it is stopped from outside.
        data: the folder of Amazon Beauty.
        work: a folder for what is made on the way.
    """

    tiny: bool
    seconds: float
    data: Path
    work: Path


def machine(settings: Settings) -> Iterator[Row]:
    """What the figures are measured on."""
    gpu = torch.cuda.is_available()
    name = torch.cuda.get_device_name() if gpu else f"no GPU, {platform.machine()}"
    versions = f"torch {torch.__version__}, Python {platform.python_version()}"
    yield {"what": name, "value": os.cpu_count(), "unit": "cores", "note": versions}


def decoding(settings: Settings) -> Iterator[Row]:
    """Lists a second: our search, ``generate`` with a Python function, and the floor."""
    model, items, beams, users = (
        ("small", 300, 4, 4) if settings.tiny else ("smollm2", 12_101, 20, 256)
    )
    rng = np.random.default_rng(1)
    ids = torch.from_numpy(rng.integers(5, 200, (users, PROMPT)))
    seen = Allowed(
        never=ItemLists.from_table(rng.integers(0, items, (users, min(SEEN, items // 2))))
    )
    shape = f"{model}, {items:,} items, {LEVELS} levels, {beams} beams, prompts of {PROMPT} tokens"
    plain = bundle_of(model, items, "tokens", "level")
    tokens = torch.ones(users, PROMPT + (LEVELS - 1) * beams, dtype=torch.int64)
    tokens = tokens.to(plain.model.device)
    floor = rate(lambda: plain.model.decoder(input_ids=tokens, use_cache=False), users)
    note = f"one forward pass over as many tokens as the search reads; {shape}; batches of {users}"
    yield {"what": "floor", "value": floor, "unit": "lists/s", "note": note}
    rows, causal = TokenRows.build(plain.layout.items), plain.model.causal
    function, few = by_function(rows, PROMPT), (2,) if settings.tiny else (16, 64)
    stock = max(rate(lambda n=n: generated(causal, ids[:n], beams, rows, function), n) for n in few)
    note = "prefix_allowed_tokens_fn; the best of batches of " + ", ".join(map(str, few))
    yield {"what": "generate", "value": stock, "unit": "lists/s", "note": note}
    for way, kind, normalisation in (
        ("softmax over a level", "tokens", "level"),
        ("softmax over real items", "tokens", "items"),
        ("one position an item", "positions", "items"),
    ):
        bundle = (
            plain if way == "softmax over a level" else bundle_of(model, items, kind, normalisation)
        )
        found = rate(lambda bundle=bundle: ours(bundle, ids, beams, seen), users)
        note = f"{found / stock:.1f} times generate, {floor / found:.2f} times the floor's time"
        yield {"what": f"our search, {way}", "value": found, "unit": "lists/s", "note": note}


@torch.inference_mode()
def rate(run: Callable[[], Any], users: int) -> float:
    """Lists a second of ``run``, which makes ``users``; the first round is not counted."""
    run()
    return users / best_of(run, 3)


def training(settings: Settings) -> Iterator[Row]:
    """Tokens a second on the same rows: our trainer and stock ``SFTTrainer``."""
    if settings.tiny:
        source = DataConfig.model_validate({"source": "world", "world": WORLD})
        method = same_rows({**NETWORK, "lora": {"rank": 2}}, tasks={"dense": {}}, batch=2, steps=3)
    else:
        source = MOVIELENS
        method = same_rows(
            {"name": "smollm2", "dtype": "bfloat16"}, tasks=MIXTURE, batch=32, precision="bfloat16"
        )
    train = method.train
    table = Table(
        learn_same,
        dict.fromkeys(("stock", "ours"), (method, source)),
        "fork" if settings.tiny else "spawn",
    )
    for _ in range(train.steps):
        for way in table.lines:
            table.step(way)
    found: dict[str, float] = {}
    for way in ("stock", "ours"):
        told = table.close(way, "go")
        warm = {**told, "seconds": told["seconds"][1:], "tokens": told["tokens"][1:]}
        found[way] = speed(warm, "tokens")
        note = f"{train.steps} steps of {train.batch} rows, {train.precision}, no checkpointing"
        note += f"; peak {told['peak'] / 2**30:.1f} GiB"
        if way == "ours":
            note += f"; {found['ours'] / found['stock']:.2f} times stock"
        what = "SFTTrainer" if way == "stock" else "our trainer"
        yield {"what": what, "value": found[way], "unit": "tokens/s", "note": note}


def beauty(settings: Settings) -> Iterator[Row]:
    """The recipe ``whole-smollm2``: one epoch, then as many as fit into the rest of the time."""
    started = time.perf_counter()
    rows, spent = run(settings, 1)
    yield from rows
    whole = time.perf_counter() - started
    left = settings.seconds - whole
    around = whole - spent  # data, ids and EASE are made once, the search for weights again
    epochs = min(MOST, int((left / MARGIN - around) / max(spent, 1e-3)))
    if epochs > 1:
        yield from (row for row in run(settings, epochs)[0] if row["unit"])


def run(settings: Settings, epochs: int) -> tuple[list[Row], float]:
    """Rows of a run of the recipe with so many epochs, and the seconds its training took."""
    script, path = resolve("whole-smollm2", "")
    network = f"methods.{MODEL}"
    overrides = [f"{network}.train.passes.most={epochs}"]
    if settings.tiny:
        overrides += [
            "data.source=world", f"data.world={json.dumps(WORLD)}", "data.items=null",
            f"{network}.backbone={json.dumps(NETWORK)}", f"{network}.train.precision=float32",
            f"{network}.train.passes.events=64", f"{network}.decode.precision=float32",
        ]  # fmt: skip
    else:
        files = ("path", "sequences.txt.gz"), ("items.path", "items.jsonl.gz")
        overrides += [f"data.{key}={settings.data.absolute() / name}" for key, name in files]
    out = settings.work / f"beauty-{epochs}"
    execute(script, path, overrides, Options(out=out))
    tested = [m for m in read_json(out / "report.json")["methods"] if m["split"] == "test"]
    spent = next(m["train_seconds"] for m in tested if m["name"] == MODEL)
    return [row for method in tested for row in accuracy(method, epochs)], spent


def accuracy(method: dict[str, Any], epochs: int) -> Iterator[Row]:
    """Rows of one method of a report."""
    unit = f"{epochs} epoch{'s' * (epochs > 1)}" if method["name"].startswith("smollm2") else ""
    for metric in ("HR@10", "NDCG@10"):
        found = method["metrics"][metric]
        note = f"[{found['low']:.4f}, {found['high']:.4f}], n {method['n']:,}"
        note += f"; trained in {method['train_seconds']:.0f} s"
        what = f"{metric}, {method['name']}"
        yield {"what": what, "value": found["value"], "unit": unit, "note": note}


PARTS = {"machine": machine, "decoding": decoding, "training": training, "beauty": beauty}


def main() -> None:
    """Reads the command line; writes rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--data", type=Path, default=Path("amazon-beauty"))
    parser.add_argument("--work", type=Path, default=Path("runs/gpu-table"))
    options = parser.parse_args()
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        settings = Settings(options.tiny, options.seconds, options.data, options.work)
        for row in PARTS[options.part](settings):
            print(json.dumps(row), file=out, flush=True)


if __name__ == "__main__":
    main()
