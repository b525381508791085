"""Constrained search against ``transformers.generate``: how fast.

python scripts/bench_decode.py [--json out.json] [--plot out.png] [--quick]

Takes SmolLM2-135M (bfloat16) and the compact decoder (float32) over random codes and prompts of 128
tokens. Per case: users a second of ``generate`` with a Python function, ``generate`` with our
logits processor, and our search, with the softmax over a level, over real items, and over real
items with one place an item (what p5rec trains by default). For the first of ours: the share of
reading prompts, of steps, and of everything else, and the distance to the floor, the time that the
matrix products alone would take at the rate this machine reaches on products of the model's own
shapes. ``generate`` is given as many users at a time as suit it best.
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
from decode_ways import (
    BOOK,
    LEVELS,
    by_function,
    by_processor,
    finished,
    generated,
    ours,
    random_codes,
)

from p5rec.backbones.pretrained import Pretrained
from p5rec.backbones.scratch import Scratch
from p5rec.core.types import ItemCodes
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.decode.token_rows import TokenRows
from p5rec.models.checkpoint import Bundle, BundleSettings, build

PROMPT, SEEN = 128, 100
SMALL = {"width": 256, "layers": 3, "heads": 4, "feedforward": 1024, "dropout": 0.0}
FLOAT = {"smollm2": "bfloat16", "small": "float32"}


def bundle_of(model: str, items: int, kind: str, normalisation: str = "items") -> Bundle:
    """An untrained model over random codes: what it says is idle, how long it takes is not."""
    codes = random_codes(items, 2 * items)
    reads = {"items": kind, "item_rows": False, "normalisation": normalisation}
    backbone = (
        Scratch(**SMALL, **reads)
        if model == "small"
        else Pretrained(name=model, lora=None, dtype=FLOAT[model], **reads)
    )
    settings = BundleSettings(backbone=backbone, seed=0)
    made = build(settings, ItemCodes(codes, (BOOK,) * LEVELS, "random"), range(items))
    return made.ready(FLOAT[model])


class Watch:
    """Seconds spent in a model whose codes are tokens: reading prompts, steps, the head."""

    def __init__(self, bundle: Bundle) -> None:
        self.model, self.spent = bundle.model, {"prefill": 0.0, "steps": 0.0, "head": 0.0}

    @contextmanager
    def on(self) -> Iterator[None]:
        """Times the model's parts while it lasts."""
        model = self.model
        kept = model.decoder.forward, model.code_logits
        model.decoder.forward = self._timed(kept[0], self._decoder)
        object.__setattr__(model, "code_logits", self._timed(kept[1], lambda _: "head"))
        try:
            yield
        finally:
            model.decoder.forward = kept[0]
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
    """FLOPs a second on the layers' own products, ``tokens`` rows at a time; the best round."""
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
    """Multiply-adds, times two, that a user's list needs where codes are tokens and every beam is
    asked at every level: layers, attention, sliced head."""
    model = bundle.model
    layers = sum(2 * weight.numel() for weight in linears(bundle))
    width, depth = model.config.hidden_size, model.config.num_hidden_layers
    kept = [1, *(min(beams, nodes) for nodes in model.trie.inner)]
    head = sum(2 * width * n * size for n, size in zip(kept, model.sizes, strict=True))
    attention = 4 * width * depth
    prompt = PROMPT * (layers + attention * PROMPT / 2)
    seen = sum(n * (PROMPT + level) for level, n in enumerate(kept[1:], start=1))
    return prompt + sum(kept[1:]) * layers + attention * seen + head


def best_of(run: Callable[[], Any], rounds: int) -> float:
    """Seconds of the fastest of ``rounds``."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        finished()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


@torch.inference_mode()
def case(
    model: str, items: int, beams: int, users: int, rounds: int, hf: tuple[int, ...]
) -> dict[str, Any]:
    """One line of the table; ``generate`` gets the number of users of ``hf`` that suits it best."""
    rng = np.random.default_rng(1)
    ids = torch.from_numpy(rng.integers(5, 200, (users, PROMPT)))
    seen = ItemLists.from_table(rng.integers(0, items, (users, SEEN)))
    row: dict[str, Any] = {"model": model, "catalogue": items, "beams": beams}
    bundles = {
        "level": bundle_of(model, items, "tokens", "level"),
        "items": bundle_of(model, items, "tokens"),
        "positions": bundle_of(model, items, "positions"),
    }

    def asked(name: str) -> Callable[[], Any]:
        return lambda: ours(bundles[name], ids, beams, Allowed(never=seen))

    seconds = {}
    for name in bundles:
        asked(name)()
        seconds[name] = best_of(asked(name), rounds) / users
        row[name] = 1 / seconds[name]
    bundle = bundles["level"]
    watch = Watch(bundle)
    with watch.on():
        started = time.perf_counter()
        asked("level")()
        whole = time.perf_counter() - started
    rate = matmul_rate(bundle, users * PROMPT)
    row["share"] = {name: spent / whole for name, spent in watch.spent.items()}
    row["share"]["bookkeeping"] = 1 - sum(watch.spent.values()) / whole
    row["gflops"] = rate / 1e9
    row["floor_ratio"] = seconds["level"] * rate / floor_flops(bundle, beams)
    rows, causal = TokenRows.build(bundle.layout.items), bundle.model.causal
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
    """Whether our lists are those of ``generate`` for an untrained compact decoder."""
    bundle = bundle_of("small", 12_101, "tokens", normalisation)
    for name, parameter in bundle.model.named_parameters():
        if name.endswith(".new"):
            parameter.add_(torch.randn(parameter.shape, generator=torch.manual_seed(0)))
    ids = torch.from_numpy(np.random.default_rng(2).integers(5, 200, (users, PROMPT)))
    rows = TokenRows.build(bundle.layout.items)
    how = by_processor(rows, PROMPT, bundle.tokenizer.eos_token_id, normalisation)
    items, scores = generated(bundle.model.causal, ids, beams, rows, how)
    found, gained = ours(bundle, ids, beams)
    return bool((found == items).all() and (gained - scores).abs().max() < 1e-4)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Users a second over the number of items, a panel a model, a line a way."""
    from matplotlib.figure import Figure

    models = list(dict.fromkeys(row["model"] for row in rows))
    figure = Figure(figsize=(5 * len(models), 3.6), layout="constrained")
    ways = {
        "generate": ("#8a8a8a", "generate, Python function"),
        "generate_processor": ("#3b6ea5", "generate, our processor"),
        "level": ("#c0504d", "our search, softmax over a level"),
        "items": ("#b8860b", "our search, softmax over real items"),
        "positions": ("#2e8b57", "our search, one position an item"),
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
    """Reads the command line; prints the table and its summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--users", type=int, default=32, help="a batch")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    quick = asked.quick
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
        row = case(model, items, beams, asked.users, rounds if items == 12_101 else 1, at_once)
        rows.append(row)
        told = " ".join(f"{name} {share:.1%}" for name, share in row["share"].items())
        print(
            f"{model:<8} {items:>9,} items, beam {beams:>2}, users/s: generate "
            f"{row['generate']:6.2f}, with our processor {row['generate_processor']:6.2f}; ours "
            f"{row['level']:7.2f} (level, {row['level'] / row['generate']:.1f} times), "
            f"{row['items']:7.2f} (items, {row['items'] / row['generate']:.1f} times), "
            f"{row['positions']:7.2f} (positions); level: {row['floor_ratio']:.2f} times the floor "
            f"at {row['gflops']:.0f} GFLOP/s; {told}",
            flush=True,
        )
    found = {(r["model"], r["catalogue"], r["beams"]): r for r in rows}
    main, wide = found["smollm2", 12_101, 20], found["smollm2", 12_101, 50]
    summary = {
        "speedup_beam20": main["items"] / main["generate"],
        "speedup_beam50": wide["items"] / wide["generate"],
        "speedup_beam20_level": main["level"] / main["generate"],
        "speedup_beam50_level": wide["level"] / wide["generate"],
        "floor_ratio": main["floor_ratio"],
        "identical": identical("level") and identical("items"),
    }
    print(json.dumps(summary))
    if asked.json:
        about = {"torch": torch.__version__, "threads": torch.get_num_threads()}
        asked.json.write_text(json.dumps({"summary": summary, "about": about, "cases": rows}))
    if asked.plot:
        plot(rows, asked.plot)


if __name__ == "__main__":
    main()
