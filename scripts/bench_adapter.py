"""Size of a SmolLM2 adapter, and the accuracy of its export.

python scripts/bench_adapter.py [--steps 10] [--rank 16] [--quantize 4bit]

Trains SmolLM2-135M on synthetic data for ``--steps`` steps. Its 1,000 items have 4 x 256 codes, so
1,024 new token embeddings train beside the low-rank adapters: once with one token per code, once
with one position per item (without item embeddings). Prints the share of trained weights and the
size of the saved files. The first model is exported; its largest logit difference is printed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from p5rec.backbones.config import LoraSettings
from p5rec.backbones.pretrained import Pretrained
from p5rec.core.item_codes import ItemCodes
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.methods.generative.method import Generative
from p5rec.models.bundle import Bundle
from p5rec.models.checkpoint import load_bundle
from p5rec.models.export import export
from p5rec.train.config import TrainConfig
from p5rec.train.training import train

SIZES, ITEMS = (256,) * 4, 1000
MB = 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--quantize", choices=["4bit", "8bit"])
    options = parser.parse_args()
    synthetic = {"kind": "markov", "users": 200, "items": ITEMS, "events": 10}
    corpus = build(DataConfig(source="synthetic", synthetic=synthetic))[0]
    table = np.random.default_rng(0).integers(0, 256, (len(corpus.catalog), 4)).astype(np.int32)
    codes = ItemCodes(table, SIZES, "drawn")
    with TemporaryDirectory() as work:
        for items in ("tokens", "positions"):
            folder = Path(work) / items
            bundle = trained(items, options, corpus, codes, folder)
            weigh(items, bundle, folder)
            if items == "tokens":
                compare(bundle.ready(), folder)


def trained(
    items: str, options: argparse.Namespace, corpus: Corpus, codes: ItemCodes, folder: Path
) -> Bundle:
    method = Generative(
        backbone=Pretrained(
            items=items, item_embeddings=False, lora=LoraSettings(rank=options.rank),
            quantize=options.quantize,
        ),
        train=TrainConfig(steps=options.steps, batch=4, warmup=2),
    )  # fmt: skip
    train(method, corpus, codes, folder)
    return load_bundle(folder)


def weigh(items: str, bundle: Bundle, folder: Path) -> None:
    """Prints the number of trained weights and the size of the files."""
    count = {True: 0, False: 0}
    for parameter in bundle.model.parameters():
        packed = 2 if parameter.dtype == torch.uint8 else 1  # two 4-bit weights a byte
        count[parameter.requires_grad] += packed * parameter.numel()
    size = {
        pattern: sum(p.stat().st_size for p in folder.glob(pattern) if p.is_file()) / MB
        for pattern in ("adapter/**/*", "trained.safetensors", "tokenizer/*", "codes/*", "**/*")
    }
    share = count[True] / sum(count.values())
    print(
        f"{items}: {count[True]:,} of {sum(count.values()):,} weights train ({share:.2%}); bundle "
        f"{size['**/*']:.1f} MB: adapters {size['adapter/**/*']:.1f}, embeddings and heads "
        f"{size['trained.safetensors']:.1f}, tokenizer {size['tokenizer/*']:.1f}, codes "
        f"{size['codes/*']:.1f}"
    )


@torch.no_grad()
def compare(bundle: Bundle, folder: Path) -> None:
    """Prints the logit difference between the exported and the adapter model, in float32."""
    into = folder.with_name("plain")
    export(folder, into)
    plain = AutoModelForCausalLM.from_pretrained(into).eval()
    items = bundle.layout.items[:32].reshape(4, 32)
    words = np.random.default_rng(1).integers(100, 40_000, items.shape)
    ids = torch.from_numpy(np.stack([words, items], axis=2).reshape(4, 64))
    lm = bundle.model.causal
    lm.set_attn_implementation("sdpa")
    wanted, results = lm(input_ids=ids).logits.float(), plain(input_ids=ids).logits
    print(f"export: logits to {wanted.abs().max():.1f}, differ by {apart(results, wanted)}")
    if bundle.settings.backbone.quantize:
        rounded = plain.to(torch.bfloat16)(input_ids=ids).logits.float()
        print(f"the exported model in bfloat16 and in float32 by {apart(rounded, results)}")
    else:
        exact, merged = lm.double()(input_ids=ids).logits, plain.double()(input_ids=ids).logits
        print(f"in float64 they differ by {apart(merged, exact)}; the adapter model in float32 and")
        print(f"in float64 by {apart(wanted, exact)}")


def apart(results: torch.Tensor, wanted: torch.Tensor) -> str:
    largest = (results - wanted).abs().max()
    return (
        f"{largest:.1e} at most ({largest / wanted.abs().max():.1e} of the largest), "
        f"{(results - wanted).abs().mean():.1e} on average; the likeliest token is the same at "
        f"{(results.argmax(-1) == wanted.argmax(-1)).float().mean():.1%}"
    )


if __name__ == "__main__":
    main()
