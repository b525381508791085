"""The experiments of ``gpu_table``: each is a process that prints rows as it measures them.

python scripts/gpu_experiments.py EXPERIMENT [--tiny] [--seconds 300] [--data FOLDER]
    [--work FOLDER]

Rows go to the standard output, one JSON object per line; all other output goes to the standard
error. ``--tiny`` runs the same code in seconds, with small random models and a synthetic dataset.
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
from bench_train import MIXTURE, same_rows, speed, train_same
from decoders import LEVELS, by_function, generated, generator, ours
from trainers import MOVIELENS, Table

from p5rec.cli.run import Options, execute, resolve
from p5rec.core.artefacts import read_json
from p5rec.data.config import DataConfig
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.decode.token_sequences import TokenSequences

Row = dict[str, Any]  # the measured quantity, its value, its unit and a note

SYNTHETIC = {"kind": "markov", "users": 80, "items": 80, "events": 8}
NETWORK = {"kind": "scratch", "width": 16, "layers": 1, "heads": 2, "feedforward": 32}
MODEL = "smollm2-network"  # of the recipe whole-smollm2
MAX_EPOCHS = 8
MARGIN = 1.3  # factor on the time that the run with one epoch predicts


@dataclass(frozen=True)
class Settings:
    """The settings of an experiment.

    Attributes:
        tiny: use small random models and a synthetic dataset.
        seconds: the time limit; ``gpu_table`` stops the process after it.
        data: the folder of Amazon Beauty.
        work: a folder for intermediate files.
    """

    tiny: bool
    seconds: float
    data: Path
    work: Path


def machine(settings: Settings) -> Iterator[Row]:
    """The GPU, the processor cores and the library versions."""
    gpu = torch.cuda.is_available()
    name = torch.cuda.get_device_name() if gpu else f"no GPU, {platform.machine()}"
    versions = f"torch {torch.__version__}, Python {platform.python_version()}"
    yield {"what": name, "value": os.cpu_count(), "unit": "cores", "note": versions}


def decoding(settings: Settings) -> Iterator[Row]:
    """Ranked lists per second: our search, ``generate`` with a Python function, an upper bound."""
    model, items, beams, users = (
        ("small", 300, 4, 4) if settings.tiny else ("smollm2", 12_101, 20, 256)
    )
    rng = np.random.default_rng(1)
    ids = torch.from_numpy(rng.integers(5, 200, (users, PROMPT)))
    seen = Allowed(
        deny=ItemLists.from_table(rng.integers(0, items, (users, min(SEEN, items // 2))))
    )
    shape = f"{model}, {items:,} items, {LEVELS} levels, {beams} beams, prompts of {PROMPT} tokens"
    plain = bundle_of(model, items, "tokens", "level")
    tokens = torch.ones(users, PROMPT + (LEVELS - 1) * beams, dtype=torch.int64)
    tokens = tokens.to(plain.model.device)
    bound = rate(lambda: plain.model.decoder(input_ids=tokens, use_cache=False), users)
    note = f"one forward pass over as many tokens as the search reads; {shape}; batches of {users}"
    yield {"what": "upper bound", "value": bound, "unit": "lists/s", "note": note}
    rows, causal = TokenSequences.build(plain.layout.items), generator(plain)
    function, few = by_function(rows, PROMPT), (2,) if settings.tiny else (16, 64)
    stock = max(rate(lambda n=n: generated(causal, ids[:n], beams, rows, function), n) for n in few)
    note = "prefix_allowed_tokens_fn; the best of batches of " + ", ".join(map(str, few))
    yield {"what": "generate", "value": stock, "unit": "lists/s", "note": note}
    for way, kind, normalisation in (
        ("softmax over a level", "tokens", "level"),
        ("softmax over real items", "tokens", "items"),
        ("one position per item", "positions", "items"),
    ):
        bundle = (
            plain if way == "softmax over a level" else bundle_of(model, items, kind, normalisation)
        )
        searched = rate(lambda bundle=bundle: ours(bundle, ids, beams, seen), users)
        note = f"{searched / stock:.1f} times the speed of generate, "
        note += f"{bound / searched:.2f} times the time of the upper bound"
        yield {"what": f"our search, {way}", "value": searched, "unit": "lists/s", "note": note}


@torch.inference_mode()
def rate(run: Callable[[], Any], users: int) -> float:
    """Lists per second of ``run``, which returns ``users`` lists; the first round is a warm-up."""
    run()
    return users / best_of(run, 3)


def training(settings: Settings) -> Iterator[Row]:
    """Tokens per second on the same examples: our trainer and stock ``SFTTrainer``."""
    if settings.tiny:
        source = DataConfig.model_validate({"source": "synthetic", "synthetic": SYNTHETIC})
        method = same_rows(
            {**NETWORK, "lora": {"rank": 2}}, tasks={"next-item": {}}, batch=2, steps=3
        )
    else:
        source = MOVIELENS
        method = same_rows(
            {"name": "smollm2", "dtype": "bfloat16"}, tasks=MIXTURE, batch=32, precision="bfloat16"
        )
    train = method.train
    table = Table(
        train_same,
        dict.fromkeys(("stock", "ours"), (method, source)),
        "fork" if settings.tiny else "spawn",
    )
    for _ in range(train.steps):
        for way in table.lines:
            table.step(way)
    speeds: dict[str, float] = {}
    for way in ("stock", "ours"):
        results = table.close(way, "go")
        warm = {name: results[name][1:] for name in ("seconds", "tokens")}
        speeds[way] = speed(warm, "tokens")
        note = f"{train.steps} steps of {train.batch} examples, {train.precision}, no checkpointing"
        note += f"; peak {results['peak'] / 2**30:.1f} GiB"
        if way == "ours":
            note += f"; {speeds['ours'] / speeds['stock']:.2f} times stock"
        what = "SFTTrainer" if way == "stock" else "our trainer"
        yield {"what": what, "value": speeds[way], "unit": "tokens/s", "note": note}


def beauty(settings: Settings) -> Iterator[Row]:
    """The recipe ``whole-smollm2`` with one epoch, then with as many as the time allows."""
    started = time.perf_counter()
    rows, spent = run(settings, 1)
    yield from rows
    whole = time.perf_counter() - started
    left = settings.seconds - whole
    around = whole - spent  # data, ids and EASE are cached; the fusion is fitted again
    epochs = min(MAX_EPOCHS, int((left / MARGIN - around) / max(spent, 1e-3)))
    if epochs > 1:
        yield from (row for row in run(settings, epochs)[0] if row["unit"])


def run(settings: Settings, epochs: int) -> tuple[list[Row], float]:
    """The rows of a run of the recipe with ``epochs`` epochs, and its training time in seconds."""
    script, path = resolve("whole-smollm2", "")
    network = f"methods.{MODEL}"
    overrides = [f"{network}.train.epochs.max_epochs={epochs}"]
    if settings.tiny:
        overrides += [
            "data.source=synthetic", f"data.synthetic={json.dumps(SYNTHETIC)}", "data.items=null",
            "ids.semantic.vectors={text: null, cooccurrence: {dim: 4}}",
            f"{network}.backbone={json.dumps(NETWORK)}", f"{network}.train.precision=float32",
            f"{network}.train.epochs.targets_per_step=64", f"{network}.decode.precision=float32",
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
    """The rows of one method of a report."""
    unit = f"{epochs} epoch{'s' * (epochs > 1)}" if method["name"].startswith("smollm2") else ""
    for metric in ("HR@10", "NDCG@10"):
        value = method["metrics"][metric]
        note = f"[{value['low']:.4f}, {value['high']:.4f}], n {method['n']:,}"
        note += f"; trained in {method['train_seconds']:.0f} s"
        what = f"{metric}, {method['name']}"
        yield {"what": what, "value": value["value"], "unit": unit, "note": note}


EXPERIMENTS = {"machine": machine, "decoding": decoding, "training": training, "beauty": beauty}


def main() -> None:
    """Parses the command line; prints rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--data", type=Path, default=Path("amazon-beauty"))
    parser.add_argument("--work", type=Path, default=Path("runs/gpu-table"))
    options = parser.parse_args()
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        settings = Settings(options.tiny, options.seconds, options.data, options.work)
        for row in EXPERIMENTS[options.experiment](settings):
            print(json.dumps(row), file=out, flush=True)


if __name__ == "__main__":
    main()
