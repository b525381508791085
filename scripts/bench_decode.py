"""Speed of constrained beam search against ``transformers.generate``.

python scripts/bench_decode.py [--json out.json] [--plot out.png] [--quick]

Uses SmolLM2-135M (bfloat16) and the compact decoder (float32) with random codes and prompts of 128
tokens. For each setting it measures users per second of ``generate`` with a Python function, of
``generate`` with our logits processor, and of our search: with the softmax over a level, over real
items, and over real items with one position per item (the default of p5rec). For the first of our
searches it also prints the shares of prefill, steps and bookkeeping, and the ratio to a lower
bound: the time of the matrix products alone at the rate that this machine reaches on the model's
shapes. ``generate`` gets its best batch size.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from decoders import (
    BOOK,
    LEVELS,
    by_function,
    by_processor,
    generated,
    generator,
    ours,
    random_codes,
    synchronise,
)

from p5rec.backbones.pretrained import Pretrained
from p5rec.backbones.scratch import Scratch
from p5rec.core.item_codes import ItemCodes
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.decode.token_sequences import TokenSequences
from p5rec.models.bundle import Bundle, BundleSettings, build

PROMPT, SEEN = 128, 100
SMALL = {"width": 256, "layers": 3, "heads": 4, "feedforward": 1024, "dropout": 0.0}
FLOAT = {"smollm2": "bfloat16", "small": "float32"}


def bundle_of(model: str, items: int, kind: str, normalisation: str = "items") -> Bundle:
    """An untrained model with random codes; its speed is that of a trained model."""
    codes = random_codes(items, 2 * items)
    reads = {"items": kind, "item_embeddings": False, "normalisation": normalisation}
    backbone = (
        Scratch(**SMALL, **reads)
        if model == "small"
        else Pretrained(name=model, lora=None, dtype=FLOAT[model], **reads)
    )
    settings = BundleSettings(backbone=backbone, seed=0)
    bundle = build(settings, ItemCodes(codes, (BOOK,) * LEVELS, "random"), range(items))
    return bundle.ready(FLOAT[model])


class Watch:
    """Seconds spent in a model with code tokens: prefill, steps, head."""

    def __init__(self, bundle: Bundle) -> None:
        self.model, self.spent = bundle.model, {"prefill": 0.0, "steps": 0.0, "head": 0.0}

    @contextmanager
    def on(self) -> Iterator[None]:
        """Measures the times inside the context."""
        model = self.model
        saved = model.decoder.forward, model.code_logits
        model.decoder.forward = self._timed(saved[0], self._decoder)
        object.__setattr__(model, "code_logits", self._timed(saved[1], lambda _: "head"))
        try:
            yield
        finally:
            model.decoder.forward = saved[0]
            object.__delattr__(model, "code_logits")

    @staticmethod
    def _decoder(inputs: dict[str, Any]) -> str:
        return "prefill" if inputs.get("inputs_embeds") is not None else "steps"

    def _timed(self, plain: Any, name: Callable[[dict[str, Any]], str]) -> Any:
        def run(*args: Any, **named: Any) -> Any:
            started = time.perf_counter()
            out = plain(*args, **named)
            self.spent[name(named)] += time.perf_counter() - started
            return out

        return run


def linears(bundle: Bundle) -> list[torch.Tensor]:
    """The matrices of the model's layers."""
    layers = bundle.model.decoder.modules()
    return [layer.weight for layer in layers if isinstance(layer, torch.nn.Linear)]


def matmul_rate(bundle: Bundle, tokens: int, seconds: float = 2.0) -> float:
    """FLOPs per second of the layers' matrix products on ``tokens`` tokens; the best round."""
    weights = linears(bundle)
    width = {weight.shape[1] for weight in weights}
    rows = {w: torch.randn(tokens, w, dtype=weights[0].dtype) for w in width}
    work, best = sum(2 * tokens * weight.numel() for weight in weights), 0.0
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        started = time.perf_counter()
        for weight in weights:
            torch.nn.functional.linear(rows[weight.shape[1]], weight)
        best = max(best, work / (time.perf_counter() - started))
    return best


def floor_flops(bundle: Bundle, beams: int) -> float:
    """The FLOPs of one user's list with code tokens and all beams at every level: layers,
    attention, sliced head."""
    model = bundle.model
    layers = sum(2 * weight.numel() for weight in linears(bundle))
    width, depth = model.traits.width, model.traits.depth
    saved = [1, *(min(beams, nodes) for nodes in model.trie.inner)]
    head = sum(2 * width * n * size for n, size in zip(saved, model.sizes, strict=True))
    attention = 4 * width * depth
    prompt = PROMPT * (layers + attention * PROMPT / 2)
    seen = sum(n * (PROMPT + level) for level, n in enumerate(saved[1:], start=1))
    return prompt + sum(saved[1:]) * layers + attention * seen + head


def best_of(run: Callable[[], Any], rounds: int) -> float:
    """Seconds of the fastest of ``rounds``."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        synchronise()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


@torch.inference_mode()
def measure(
    model: str, items: int, beams: int, users: int, rounds: int, hf: tuple[int, ...]
) -> dict[str, Any]:
    """One row of the table; ``generate`` uses the best batch size of ``hf``."""
    rng = np.random.default_rng(1)
    ids = torch.from_numpy(rng.integers(5, 200, (users, PROMPT)))
    seen = ItemLists.from_table(rng.integers(0, items, (users, SEEN)))
    row: dict[str, Any] = {"model": model, "catalogue": items, "beams": beams}
    bundles = {
        "level": bundle_of(model, items, "tokens", "level"),
        "items": bundle_of(model, items, "tokens"),
        "positions": bundle_of(model, items, "positions"),
    }

    def search(name: str) -> Callable[[], Any]:
        return lambda: ours(bundles[name], ids, beams, Allowed(deny=seen))

    seconds = {}
    for name in bundles:
        search(name)()
        seconds[name] = best_of(search(name), rounds) / users
        row[name] = 1 / seconds[name]
    bundle = bundles["level"]
    watch = Watch(bundle)
    with watch.on():
        started = time.perf_counter()
        search("level")()
        total = time.perf_counter() - started
    rate = matmul_rate(bundle, users * PROMPT)
    row["share"] = {name: spent / total for name, spent in watch.spent.items()}
    row["share"]["bookkeeping"] = 1 - sum(watch.spent.values()) / total
    row["gflops"] = rate / 1e9
    row["floor_ratio"] = seconds["level"] * rate / floor_flops(bundle, beams)
    rows, causal = TokenSequences.build(bundle.layout.items), generator(bundle)
    ways = {
        "generate": by_function(rows, PROMPT),
        "generate_processor": by_processor(rows, PROMPT, bundle.tokenizer.eos_token_id, "vocab"),
    }
    for name, how in ways.items():
        times = [
            best_of(lambda n=n, how=how: generated(causal, ids[:n], beams, rows, how), rounds) / n
            for n in hf
        ]
        row[name] = 1 / min(times)
    return row


@torch.inference_mode()
def identical(normalisation: str, users: int = 20, beams: int = 20) -> bool:
    """Whether our lists equal those of ``generate`` for an untrained compact decoder."""
    bundle = bundle_of("small", 12_101, "tokens", normalisation)
    for name, parameter in bundle.model.named_parameters():
        if name.endswith(".new"):
            parameter.add_(torch.randn(parameter.shape, generator=torch.manual_seed(0)))
    ids = torch.from_numpy(np.random.default_rng(2).integers(5, 200, (users, PROMPT)))
    rows = TokenSequences.build(bundle.layout.items)
    how = by_processor(rows, PROMPT, bundle.tokenizer.eos_token_id, normalisation)
    items, scores = generated(generator(bundle), ids, beams, rows, how)
    results, gained = ours(bundle, ids, beams)
    return bool((results == items).all() and (gained - scores).abs().max() < 1e-4)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Plots users per second over the number of items: a panel per model, a line per decoder."""
    from matplotlib.figure import Figure

    models = list(dict.fromkeys(row["model"] for row in rows))
    figure = Figure(figsize=(5 * len(models), 3.6), layout="constrained")
    ways = {
        "generate": ("#8a8a8a", "generate, Python function"),
        "generate_processor": ("#3b6ea5", "generate, our processor"),
        "level": ("#c0504d", "our search, softmax over a level"),
        "items": ("#b8860b", "our search, softmax over real items"),
        "positions": ("#2e8b57", "our search, one position per item"),
    }
    for model, axes in zip(models, np.atleast_1d(figure.subplots(1, len(models))), strict=True):
        lines = [row for row in rows if row["model"] == model and row["beams"] == 20]
        for way, (color, label) in ways.items():
            axes.plot(
                [row["catalogue"] for row in lines], [row[way] for row in lines],
                color=color, label=label, marker="o", markersize=4,
            )  # fmt: skip
        axes.set(xscale="log", yscale="log", xlabel="items", title=f"{model}, 20 beams")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e5e5e5")
    figure.axes[0].set_ylabel("users a second")
    figure.axes[0].legend(fontsize=8, frameon=False, loc="best")
    figure.savefig(path, dpi=130)


def main() -> None:
    """Parses the command line; prints the table and its summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--users", type=int, default=32, help="a batch")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    quick = options.quick
    grid = [("smollm2", 12_101, 20), ("smollm2", 12_101, 50), ("small", 12_101, 20)]
    if not quick:
        grid = [
            (model, items, beams)
            for model in ("smollm2", "small")
            for items in (1_682, 12_101, 100_000, 1_000_000)
            for beams in (10, 20, 50)
        ]
    rows = []
    for model, items, beams in grid:
        at_once = (1, 2) if model == "smollm2" else (2, 8)
        rounds = 2 if quick or beams > 20 else 3
        row = measure(model, items, beams, options.users, rounds if items == 12_101 else 1, at_once)
        rows.append(row)
        shares = " ".join(f"{name} {share:.1%}" for name, share in row["share"].items())
        print(
            f"{model:<8} {items:>9,} items, beam {beams:>2}, users/s: generate "
            f"{row['generate']:6.2f}, with our processor {row['generate_processor']:6.2f}; ours "
            f"{row['level']:7.2f} (level, {row['level'] / row['generate']:.1f} times), "
            f"{row['items']:7.2f} (items, {row['items'] / row['generate']:.1f} times), "
            f"{row['positions']:7.2f} (positions); level: {row['floor_ratio']:.2f} times the floor "
            f"at {row['gflops']:.0f} GFLOP/s; {shares}",
            flush=True,
        )
    results = {(r["model"], r["catalogue"], r["beams"]): r for r in rows}
    main, wide = results["smollm2", 12_101, 20], results["smollm2", 12_101, 50]
    summary = {
        "speedup_beam20": main["items"] / main["generate"],
        "speedup_beam50": wide["items"] / wide["generate"],
        "speedup_beam20_level": main["level"] / main["generate"],
        "speedup_beam50_level": wide["level"] / wide["generate"],
        "floor_ratio": main["floor_ratio"],
        "identical": identical("level") and identical("items"),
    }
    print(json.dumps(summary))
    if options.json:
        about = {"torch": torch.__version__, "threads": torch.get_num_threads()}
        options.json.write_text(json.dumps({"summary": summary, "about": about, "cases": rows}))
    if options.plot:
        plot(rows, options.plot)


if __name__ == "__main__":
    main()
