"""Constrained search against ``transformers.generate``: the same lists, and how fast.

python scripts/bench_decode.py [speed] [--json out.json] [--plot out.png] [--quick]
python scripts/bench_decode.py exact --model RUN/models/METHOD --config RECIPE [--users 200]
python scripts/bench_decode.py trie [--items 1000000 10000000]

``exact`` puts real histories to a trained model whose codes are tokens, in float32, and compares
our lists with those of ``generate`` under ``prefix_allowed_tokens_fn`` (renormalised where the
model was taught a level's softmax), also with a beam for every item; then the same with a T5 of
random weights over the same prompts.

``speed`` takes SmolLM2-135M (bfloat16) and the compact decoder (float32) over random codes and
prompts of 128 tokens. Per case: users a second of ``generate`` with a Python function, ``generate``
with our logits processor, and our search, with the softmax over a level, over real items, and over
real items with one place an item (what p5rec trains by default). For the first of ours: the share
of reading prompts, of steps, and of everything else, and the distance to the floor, the time that
the matrix products alone would take at the rate this machine reaches on products of the model's own
shapes. ``generate`` is given as many users at a time as suit it best.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessorList, T5Config, T5ForConditionalGeneration

from p5rec.backbones.config import BackboneConfig, ScratchConfig
from p5rec.core.rng import tie_order
from p5rec.core.types import ItemCodes
from p5rec.decode.allowed import Allowed, ItemLists, OpenNodes
from p5rec.decode.beam import beam_search
from p5rec.decode.processor import ItemLogitsProcessor
from p5rec.decode.token_rows import TokenRows
from p5rec.decode.trie import Trie
from p5rec.models.checkpoint import Bundle, BundleSettings, build
from p5rec.models.generate import ItemSearch
from p5rec.models.scorer import code_scorer

PROMPT, SEEN, LEVELS, BOOK = 128, 100, 4, 256
SMALL = ScratchConfig(width=256, layers=3, heads=4, feedforward=1024, dropout=0.0)
TIES = ", place by place: the others order scores that are equal within that another way"
FLOAT = {"smollm2": "bfloat16", "small": "float32"}


def bundle_of(model: str, items: int, kind: str, normalisation: str = "items") -> Bundle:
    """An untrained model over random codes: what it says is idle, how long it takes is not."""
    rng = np.random.default_rng(0)
    number = rng.permutation(np.unique(rng.integers(0, BOOK**LEVELS, 2 * items)))[:items]
    codes = np.stack(np.unravel_index(number, (BOOK,) * LEVELS), axis=1).astype(np.int32)
    backbone = BackboneConfig(
        name="scratch" if model == "small" else model,
        lora=None,
        dtype=FLOAT[model],
        items=kind,
        item_rows=False,
        normalisation=normalisation,
        scratch=SMALL,
    )
    settings = BundleSettings(backbone=backbone, seed=0)
    made = build(settings, ItemCodes(codes, (BOOK,) * LEVELS, "random"), range(items))
    return made.ready(FLOAT[model])


def generated(
    bundle: Bundle, ids: Tensor, beams: int, rows: TokenRows, how: dict[str, Any]
) -> tuple[Tensor, Tensor]:
    """Items ``(B, K)`` and their scores by ``generate``."""
    model = bundle.model.causal
    out = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        num_beams=beams,
        num_return_sequences=beams,
        max_new_tokens=rows.trie.levels,
        length_penalty=0.0,
        return_dict_in_generate=True,
        output_scores=True,
        use_cache=True,
        **how,
    )
    nodes, _ = rows.walk(out.sequences[:, ids.shape[1] :])
    items = rows.trie.leaf_item[nodes].view(len(ids), beams)
    return items, out.sequences_scores.view(len(ids), beams)


def by_function(rows: TokenRows, prompt: int) -> dict[str, Any]:
    """The usual way: a Python function, asked for each beam."""
    trie, tokens = rows.trie, [t.tolist() for t in rows.tokens]
    starts, codes = [s.tolist() for s in trie.starts], [c.tolist() for c in trie.codes]
    place = [{token: code for code, token in enumerate(level)} for level in tokens]

    def allowed(_: int, said: Tensor) -> list[int]:
        node, words = 0, said[prompt:].tolist()
        for level, token in enumerate(words):
            code = place[level][token]
            first, last = starts[level][node], starts[level][node + 1]
            node = first + codes[level][first:last].index(code)
        level = len(words)
        first, last = starts[level][node], starts[level][node + 1]
        return [tokens[level][code] for code in codes[level][first:last]]

    return {"prefix_allowed_tokens_fn": allowed}


def by_processor(rows: TokenRows, prompt: int, end: int, normalisation: str) -> dict[str, Any]:
    """Our tree as a logits processor."""
    processor = ItemLogitsProcessor(rows, prompt, end, normalisation)
    return {"logits_processor": LogitsProcessorList([processor])}


@lru_cache(maxsize=2)
def ranks_of(trie: Trie) -> list[Tensor]:
    """The order of equal scores, made once for all searches."""
    return trie.smallest_below(torch.from_numpy(tie_order(len(trie), 0)))


def ours(bundle: Bundle, ids: Tensor, beams: int, allowed: Allowed | None = None) -> Any:
    """Items ``(B, K)`` and their scores by our search."""
    trie = bundle.model.trie
    opened = None if allowed is None else OpenNodes(trie, allowed)
    scorer = code_scorer(bundle.model, ids, torch.ones_like(ids))
    k = min(beams, len(trie))
    return beam_search(scorer, trie, max(beams, k), k=k, ranks=ranks_of(trie), open_nodes=opened)


class Watch:
    """Seconds spent in the model: reading prompts, steps, the head."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle, self.spent = bundle, {"prefill": 0.0, "steps": 0.0, "head": 0.0}

    @contextmanager
    def on(self) -> Iterator[None]:
        """Times the model's parts while it lasts."""
        model = self.bundle.model
        names = {"decoder": self._decoder, "code_logits": lambda *_: "head"}
        kept = model.decoder.forward, model.code_logits
        model.decoder.forward = self._timed(kept[0], names["decoder"])
        object.__setattr__(model, "code_logits", self._timed(kept[1], names["code_logits"]))
        head = model.code_head
        if head is not None:
            plain = head.forward
            head.forward = self._timed(plain, lambda *_: "steps")
        try:
            yield
        finally:
            model.decoder.forward = kept[0]
            object.__delattr__(model, "code_logits")
            if head is not None:
                head.forward = plain

    @staticmethod
    def _decoder(inputs: dict[str, Any]) -> str:
        return "prefill" if inputs.get("inputs_embeds") is not None else "steps"

    def _timed(self, plain: Any, name: Callable[..., str]) -> Any:
        def run(*args: Any, **named: Any) -> Any:
            started = time.perf_counter()
            out = plain(*args, **named)
            self.spent[name(named)] += time.perf_counter() - started
            return out

        return run


def matmul_rate(bundle: Bundle, tokens: int, seconds: float = 2.0) -> float:
    """FLOPs a second on the layers' own products, ``tokens`` rows at a time; the best round."""
    weights = [
        module.weight
        for module in bundle.model.decoder.modules()
        if isinstance(module, torch.nn.Linear)
    ]
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
    """Multiply-adds, times two, that a user's list needs where every beam is asked at every level:
    layers, attention, sliced head."""
    model = bundle.model
    linears = [m for m in model.decoder.modules() if isinstance(m, torch.nn.Linear)]
    layers = sum(2 * linear.weight.numel() for linear in linears)
    width, depth = model.config.hidden_size, model.config.num_hidden_layers
    kept = [1, *(min(beams, nodes) for nodes in model.trie.inner)]
    head = sum(2 * width * n * size for n, size in zip(kept, model.sizes, strict=True))
    attention = 4 * width * depth
    prompt = PROMPT * (layers + attention * PROMPT / 2)
    if model.code_head is not None:
        step = sum(2 * p.numel() for p in model.code_head.parameters())
        return prompt + sum(kept[1:]) * step + head
    seen = sum(n * (PROMPT + level) for level, n in enumerate(kept[1:], start=1))
    return prompt + sum(kept[1:]) * layers + attention * seen + head


def best_of(run: Callable[[], Any], rounds: int) -> float:
    """Seconds of the fastest of ``rounds``."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
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
    rows = TokenRows.build(bundle.layout.items)
    ways = {
        "generate": by_function(rows, PROMPT),
        "generate_processor": by_processor(rows, PROMPT, bundle.tokenizer.eos_token_id, "vocab"),
    }
    for name, how in ways.items():
        times = [
            best_of(lambda n=n, how=how: generated(bundle, ids[:n], beams, rows, how), rounds) / n
            for n in hf
        ]
        row[name] = 1 / min(times)
    return row


def speed(asked: argparse.Namespace) -> None:
    """The table, its summary, and the plot."""
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
    items, scores = generated(bundle, ids, beams, rows, how)
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


@torch.inference_mode()
def exact(asked: argparse.Namespace) -> None:
    """Lists of a trained model, ours against ``generate``'s and against scoring every item."""
    from p5rec.cli.inputs import read_model, read_recipe
    from p5rec.data.split import cases

    _, corpus = read_recipe(asked.config, [])
    bundle = read_model(asked.model, corpus, "float32", None)
    histories, _, _ = cases(corpus.interactions, corpus.split, "test")
    histories = histories.take(np.arange(min(asked.users, len(histories))))
    recent = histories.tail(bundle.settings.window)
    prompts = [np.append(bundle.bos, t) for t in bundle.layout.histories(recent)]
    norm, end = bundle.settings.backbone.normalisation, bundle.tokenizer.eos_token_id
    rows = TokenRows.build(bundle.layout.items)

    def how(length: int) -> dict[str, Any]:
        plain = norm == "vocab"  # what generate itself does
        return by_function(rows, length) if plain else by_processor(rows, length, end, norm)

    for beams in asked.beams:
        same, furthest, started = 0, 0.0, time.perf_counter()
        for prompt in prompts:
            ids = torch.from_numpy(prompt)[None]
            items, scores = generated(bundle, ids, beams, rows, how(ids.shape[1]))
            found, gained = ours(bundle, ids, beams)
            same += bool((found == items).all())
            furthest = max(furthest, float((gained - scores).abs().max()))
        print(
            f"{asked.model}, softmax over {norm}, beam {beams}: {same} of {len(prompts)} lists "
            f"identical, scores within {furthest:.1e}{TIES if same < len(prompts) else ''} "
            f"({time.perf_counter() - started:.0f} s)",
            flush=True,
        )
    everything, same = len(bundle.layout.codes), 0
    for prompt in prompts[: asked.full]:
        ids = torch.from_numpy(prompt)[None]
        wide, _ = ours(bundle, ids, everything)
        items, _ = generated(bundle, ids, everything, rows, how(ids.shape[1]))
        same += bool((wide == items).all())
    print(f"{same} of {len(prompts[: asked.full])} lists over all {everything} items identical")
    encoder_decoder(rows, prompts, bundle.model.config.vocab_size, asked.beams)


def encoder_decoder(
    rows: TokenRows, prompts: list[np.ndarray], vocabulary: int, widths: list[int]
) -> None:
    """The same comparison for a T5-shaped model of random weights, through ``custom_generate``."""
    torch.manual_seed(0)
    shape = T5Config(
        vocab_size=vocabulary, d_model=128, d_kv=64, d_ff=512, num_layers=4, num_heads=6,
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    model = T5ForConditionalGeneration(shape).eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    for beams in widths:
        same, furthest = 0, 0.0
        for prompt in prompts:
            settings: dict[str, Any] = {
                "input_ids": torch.from_numpy(prompt)[None],
                "num_beams": beams,
                "num_return_sequences": beams,
                "max_new_tokens": rows.trie.levels,
                "length_penalty": 0.0,
                "return_dict_in_generate": True,
                "output_scores": True,
            }
            theirs = model.generate(**settings, **by_function(rows, 1))
            found = model.generate(**settings, custom_generate=ItemSearch(rows))
            same += torch.equal(theirs.sequences, found.sequences)
            gap = (theirs.sequences_scores - found.sequences_scores).abs().max()
            furthest = max(furthest, float(gap))
        print(
            f"T5, softmax over vocab, beam {beams}: {same} of {len(prompts)} lists identical, "
            f"scores within {furthest:.1e}{TIES if same < len(prompts) else ''}",
            flush=True,
        )


def trie(asked: argparse.Namespace) -> None:
    """Seconds and memory for the tree over random codes, each size in a process of its own."""
    if len(asked.items) > 1:
        for items in asked.items:
            words = [sys.executable, __file__, "trie", "--items", str(items)]
            subprocess.run(words, check=True)
        return
    (items,) = asked.items
    rng = np.random.default_rng(0)
    number = rng.permutation(np.unique(rng.integers(0, BOOK**LEVELS, items + items // 50)))[:items]
    codes = np.stack(np.unravel_index(number, (BOOK,) * LEVELS), axis=1).astype(np.int32)
    del number
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _memory("VmRSS")
    started = time.perf_counter()
    made = Trie.build(codes, (BOOK,) * LEVELS)
    seconds = time.perf_counter() - started
    more = _memory("VmHWM") - before
    tensors = (*made.starts, *made.codes, *made.leaf_starts, made.leaf_item)
    size = sum(t.numel() * t.element_size() for t in tensors) / 2**20
    print(f"{len(made):>11,} items x {LEVELS}: {seconds:.2f} s, the tree {size:.0f} MiB, "
          f"peak {more:.0f} MiB above the codes")  # fmt: skip


def _memory(name: str) -> float:
    """MiB of this process, as Linux counts it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("exact")
    one.add_argument("--model", type=Path, required=True)
    one.add_argument("--config", type=Path, required=True)
    one.add_argument("--users", type=int, default=200)
    one.add_argument("--beams", type=int, nargs="+", default=[10, 50])
    one.add_argument("--full", type=int, default=3, help="users whose list is of all items")
    two = commands.add_parser("speed")
    two.add_argument("--json", type=Path)
    two.add_argument("--plot", type=Path)
    two.add_argument("--users", type=int, default=32, help="a batch")
    two.add_argument("--quick", action="store_true")
    three = commands.add_parser("trie")
    three.add_argument("--items", type=int, nargs="+", default=[1_000_000, 10_000_000])
    words = sys.argv[1:]
    named = words and words[0] in (*commands.choices, "-h", "--help")
    asked = parser.parse_args(words if named else ["speed", *words])
    {"exact": exact, "speed": speed, "trie": trie}[asked.command](asked)


if __name__ == "__main__":
    main()
