"""Latency of a bank of adapters in one pass, against one adapter and a pass for each (SISA).

python scripts/bench_adapter_bank.py [--adapters 4] [--rank 8] [--layers 6] [--targets q_proj ...]

Random adapters on SmolLM2 read the prompts of one batch, on one thread. The variants alternate, so
that other load on the machine affects all alike; ratios are medians of those within a round.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from p5rec.backbones.adapter_bank import AdapterBank, adapter_state, add_bank, scale_of, stacked
from p5rec.backbones.attention import use_short_attention
from p5rec.backbones.config import LoraSettings
from p5rec.backbones.load import load_backbone
from p5rec.backbones.pretrained import Pretrained


def seconds(work: Callable[[], object]) -> float:
    """The time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def states_of(network: nn.Module, ids: Tensor) -> Callable[[], Tensor]:
    """A pass over the prompts ``ids (B, T)``."""

    def work() -> Tensor:
        with torch.inference_mode():
            states: Tensor = network.get_decoder()(input_ids=ids).last_hidden_state
        return states

    return work


def passes(
    plain: nn.Module, one: nn.Module, bank: AdapterBank, ids: Tensor
) -> dict[str, Callable[[], object]]:
    """The variants by name."""
    weights = torch.full((len(ids), bank.size), 1 / bank.size)
    mixed = states_of(plain, ids)

    def with_bank(level: str) -> Callable[[], object]:
        def work() -> object:
            with bank.mixed(weights, level):  # type: ignore[arg-type]
                return mixed()

        return work

    def each() -> object:
        out = []
        for row in torch.eye(bank.size):
            with bank.mixed(row.expand(len(ids), -1)):
                out.append(mixed())
        return out

    return {
        "one adapter, peft": states_of(one, ids),
        "no adapter": mixed,
        "bank, products": with_bank("products"),
        "bank, factors": with_bank("factors"),
        "a pass for each adapter (SISA)": each,
    }


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--adapters", type=int, default=4)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--targets", nargs="*", default=["q_proj", "v_proj"])
    parser.add_argument("--prompts", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    lora = LoraSettings(rank=options.rank, alpha=16, targets=tuple(options.targets))
    shape = {"layers": options.layers, "dtype": "float32", "item_embeddings": False}
    adapted, plain = (
        load_backbone(Pretrained(lora=each, **shape), (), 0, download=True) for each in (lora, None)
    )
    state = adapter_state(adapted.model)
    generator = torch.Generator().manual_seed(0)
    states = [
        {name: torch.randn(each.shape, generator=generator) / 100 for name, each in state.items()}
        for _ in range(options.adapters)
    ]
    bank = add_bank(plain.causal, stacked([*states]), scale_of(lora))
    for network in (adapted.causal, plain.causal):
        use_short_attention(network.eval())
    ids = torch.randint(100, 40_000, (options.prompts, options.tokens), generator=generator)
    variants = passes(plain.causal, adapted.causal, bank, ids)
    spent = np.array(
        [[seconds(work) for work in variants.values()] for _ in range(options.rounds + 2)]
    )[2:]
    ratios = np.median(spent / spent[:, :1], axis=0)
    print(
        f"| pass over {options.prompts} x {options.tokens} tokens | ms | ratio |\n|---|---:|---:|"
    )
    for name, own, ratio in zip(variants, np.median(spent, axis=0), ratios, strict=True):
        print(f"| {name} | {1000 * own:.1f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
