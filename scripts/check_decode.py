"""Whether our search gives the lists of ``transformers.generate``, item by item.

python scripts/check_decode.py --model RUN/models/METHOD --config RECIPE [--users 200]

Puts real histories to a trained model whose codes are tokens, in float32, and compares our lists
with those of ``generate`` under ``prefix_allowed_tokens_fn`` (renormalised where the model was
taught another softmax than that over all tokens), also with a beam for every item; then the same
with a T5 of random weights over the same prompts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from decode_ways import by_function, by_processor, generated, ours
from torch import Tensor
from transformers import T5Config, T5ForConditionalGeneration

from p5rec.cli.inputs import read_recipe
from p5rec.data.split import cases
from p5rec.decode.token_rows import TokenRows
from p5rec.methods.folder import check_items
from p5rec.models.checkpoint import load_bundle
from p5rec.models.generate import ItemSearch

TIES = ", place by place: the others order scores that are equal within that another way"
Lists = Callable[[Tensor, int], tuple[Tensor, Tensor]]


def compare(name: str, prompts: list[np.ndarray], beams: int, theirs: Lists, mine: Lists) -> None:
    """One line: how many lists are identical, and how far scores are apart."""
    same, furthest, started = 0, 0.0, time.perf_counter()
    for prompt in prompts:
        ids = torch.from_numpy(prompt)[None]
        items, scores = theirs(ids, beams)
        found, gained = mine(ids, beams)
        same += torch.equal(found, items)
        furthest = max(furthest, float((gained - scores).abs().max()))
    print(
        f"{name}, beam {beams}: {same} of {len(prompts)} lists identical, scores within "
        f"{furthest:.1e}{TIES if same < len(prompts) else ''} "
        f"({time.perf_counter() - started:.0f} s)",
        flush=True,
    )


def random_t5(vocabulary: int) -> T5ForConditionalGeneration:
    """A T5-shaped model of random weights that differ enough for its answers to differ."""
    torch.manual_seed(0)
    shape = T5Config(
        vocab_size=vocabulary, d_model=128, d_kv=64, d_ff=512, num_layers=4, num_heads=6,
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    model = T5ForConditionalGeneration(shape).eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


@torch.inference_mode()
def main() -> None:
    """Reads the command line, and compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--beams", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--full", type=int, default=3, help="users whose list is of all items")
    asked = parser.parse_args()
    _, corpus = read_recipe(asked.config)
    check_items(asked.model, corpus)
    bundle = load_bundle(asked.model).ready()
    histories, _, _ = cases(corpus.interactions, corpus.split, "test")
    histories = histories.take(np.arange(min(asked.users, len(histories))))
    recent = histories.tail(bundle.settings.window)
    prompts = [np.append(bundle.bos, t) for t in bundle.layout.histories(recent)]
    norm, end = bundle.settings.backbone.normalisation, bundle.tokenizer.eos_token_id
    rows = TokenRows.build(bundle.layout.items)

    def theirs(ids: Tensor, beams: int) -> tuple[Tensor, Tensor]:
        length = ids.shape[1]
        plain = norm == "vocab"  # what generate itself does
        how = by_function(rows, length) if plain else by_processor(rows, length, end, norm)
        return generated(bundle.model.causal, ids, beams, rows, how)

    def mine(ids: Tensor, beams: int) -> tuple[Tensor, Tensor]:
        return ours(bundle, ids, beams)

    name = f"{asked.model}, softmax over {norm}"
    for beams in asked.beams:
        compare(name, prompts, beams, theirs, mine)
    compare(f"{name}, all items", prompts[: asked.full], len(rows.trie), theirs, mine)
    t5 = random_t5(bundle.model.config.vocab_size)

    def through(how: dict[str, Any]) -> Lists:
        return lambda ids, beams: generated(t5, ids, beams, rows, how)

    plain, search = by_function(rows, 1), {"custom_generate": ItemSearch(rows)}
    for beams in asked.beams:
        compare("T5, softmax over vocab", prompts, beams, through(plain), through(search))


if __name__ == "__main__":
    main()
