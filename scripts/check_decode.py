"""Checks that our beam search gives the same lists as ``transformers.generate``.

python scripts/check_decode.py --model RUN/models/METHOD --config RECIPE [--users 200]

Decodes real histories with a trained model with code tokens, in float32, and compares our lists
with those of ``generate`` with ``prefix_allowed_tokens_fn`` (renormalised if the model was trained
with another softmax than the one over all tokens), also with one beam per item. Then it does the
same for a T5 with random weights and the same prompts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from decoders import by_function, by_processor, generated, generator, ours
from torch import Tensor
from transformers import T5Config, T5ForConditionalGeneration

from p5rec.cli.inputs import read_recipe
from p5rec.data.split import instances
from p5rec.decode.token_sequences import TokenSequences
from p5rec.methods.folder import check_items
from p5rec.models.checkpoint import load_bundle
from p5rec.models.generate import ItemSearch

TIES = "; the other lists differ in the order of scores that are equal within that tolerance"
Lists = Callable[[Tensor, int], tuple[Tensor, Tensor]]


def compare(name: str, prompts: list[np.ndarray], beams: int, theirs: Lists, own: Lists) -> None:
    """Prints the number of identical lists and the largest difference of scores."""
    same, furthest, started = 0, 0.0, time.perf_counter()
    for prompt in prompts:
        ids = torch.from_numpy(prompt)[None]
        items, scores = theirs(ids, beams)
        found, gained = own(ids, beams)
        same += torch.equal(found, items)
        furthest = max(furthest, float((gained - scores).abs().max()))
    print(
        f"{name}, beam {beams}: {same} of {len(prompts)} lists identical, scores within "
        f"{furthest:.1e}{TIES if same < len(prompts) else ''} "
        f"({time.perf_counter() - started:.0f} s)",
        flush=True,
    )


def random_t5(vocabulary: int) -> T5ForConditionalGeneration:
    """A T5-shaped model with random weights that give distinct predictions."""
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
    """Parses the command line and compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--beams", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--full", type=int, default=3, help="users whose list is of all items")
    options = parser.parse_args()
    _, corpus = read_recipe(options.config)
    check_items(options.model, corpus)
    bundle = load_bundle(options.model).ready()
    histories, _, _ = instances(corpus.interactions, corpus.split, "test")
    histories = histories.take(np.arange(min(options.users, len(histories))))
    recent = histories.tail(bundle.settings.window)
    prompts = [np.append(bundle.bos, t) for t in bundle.layout.histories(recent)]
    norm, end = bundle.settings.backbone.normalisation, bundle.tokenizer.eos_token_id
    rows = TokenSequences.build(bundle.layout.items)

    causal = generator(bundle)

    def theirs(ids: Tensor, beams: int) -> tuple[Tensor, Tensor]:
        length = ids.shape[1]
        plain = norm == "vocab"  # the default of generate
        how = by_function(rows, length) if plain else by_processor(rows, length, end, norm)
        return generated(causal, ids, beams, rows, how)

    def own(ids: Tensor, beams: int) -> tuple[Tensor, Tensor]:
        return ours(bundle, ids, beams)

    name = f"{options.model}, softmax over {norm}"
    for beams in options.beams:
        compare(name, prompts, beams, theirs, own)
    compare(f"{name}, all items", prompts[: options.full], len(rows.trie), theirs, own)
    t5 = random_t5(bundle.model.tokens)

    def through(how: dict[str, Any]) -> Lists:
        return lambda ids, beams: generated(t5, ids, beams, rows, how)

    plain, search = by_function(rows, 1), {"custom_generate": ItemSearch(rows)}
    for beams in options.beams:
        compare("T5, softmax over vocab", prompts, beams, through(plain), through(search))


if __name__ == "__main__":
    main()
