"""The adapter of one shard, trained on the examples of the shard alone. R examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from p5rec.backbones.adapter_bank import adapter_state
from p5rec.backbones.control_tokens import literal_for
from p5rec.core.artefacts import Lineage
from p5rec.core.errors import input_error
from p5rec.core.examples import Example
from p5rec.core.item_codes import ItemCodes
from p5rec.core.launch import processes
from p5rec.core.rng import by_key, derive_seed
from p5rec.models.bundle import Bundle, BundleSettings, build
from p5rec.models.config import HeadsConfig
from p5rec.train.examples.prompted import PromptExamples
from p5rec.train.schedule import Schedule
from p5rec.train.sft import fit

from ...arrays import save_arrays
from ...baselines.fitting import seeded
from ...needs import Inputs
from .examples import Examples
from .reading import example
from .settings import SHARD, TASK, ApaSettings
from .stored import EVENTS

NO_ITEMS = ItemCodes(np.zeros((1, 1), np.int32), (1,), "none")  # prompts name no codes


def train_adapter(method: ApaSettings, seed: int, inputs: Inputs, folder: Path) -> Lineage:
    """Trains the adapter of a shard on one thread, and saves it with the keys of its events.

    Every random draw depends on the seed and the shard's examples: the initial adapter, which is
    the same in all shards, and the order of the examples, by their keys.

    Args:
        method: the settings.
        seed: of all draws.
        inputs: the folder of the shard's examples.
        folder: receives the adapter.

    Returns:
        The events that the examples show or ask about.

    Raises:
        UserError: several processes train, or the loss is not finite.
    """
    if processes() > 1:
        raise input_error(
            "apa", "one process, on which an adapter has the same bits each time",
            f"{processes()}", "run it without a launcher",
        )  # fmt: skip
    examples = Examples.read(inputs[SHARD])
    with seeded(seed, "apa"), TemporaryDirectory(dir=folder) as work:
        bundle = _bundle(method, seed)
        if method.train.epochs and len(examples):
            _train(method, examples, bundle, Path(work), seed)
        state = adapter_state(bundle.model.lm)
    lineage = examples.lineage
    arrays = {name: each.numpy() for name, each in state.items()}
    save_arrays(folder, {EVENTS: lineage.events, **arrays})
    return lineage


def _bundle(method: ApaSettings, seed: int) -> Bundle:
    """The model before training; of its weights the adapter alone is trained."""
    update = {"items": "tokens", "item_embeddings": False}
    settings = BundleSettings(
        backbone=method.backbone.model_copy(update=update),
        seed=seed,
        tasks=(TASK,),
        heads=HeadsConfig.none(),
        max_tokens=method.prompt.max_tokens,
    )
    bundle = build(settings, NO_ITEMS, [TASK], download=True)
    for name, weight in bundle.model.named_parameters():
        weight.requires_grad_("lora_" in name)
    return bundle


def _train(
    method: ApaSettings, examples: Examples, bundle: Bundle, folder: Path, seed: int
) -> None:
    config = method.train.of(len(examples), method.prompt.max_tokens, seed)
    escape = literal_for(bundle.tokenizer)
    asked = [
        example(prompt, method.prompt, escape, label)
        for prompt, label in zip(examples.prompts, examples.labels.tolist(), strict=True)
    ]
    ordered = Ordered(asked, _order(examples.keys, config.last_step * config.slots, seed))
    prompted = PromptExamples(ordered, bundle.tokenizer, config.max_tokens)
    schedule = Schedule({TASK: prompted}, np.zeros(len(ordered), np.int64), config)
    fit(bundle.model, bundle.tokenizer, schedule, folder)


def _order(keys: np.ndarray, length: int, seed: int) -> np.ndarray:
    """``(length,)`` rows of R examples, epoch after epoch, each in an order by their keys."""
    epochs = -(-length // len(keys))
    orders = [by_key(keys, derive_seed(seed, "epoch", n), "order") for n in range(epochs)]
    return np.concatenate(orders)[:length]


class Ordered(Sequence[Example]):
    """Examples in the order of training, with repeats.

    Args:
        examples: R examples.
        rows: the example at each place.
    """

    def __init__(self, examples: Sequence[Example], rows: np.ndarray) -> None:
        self.examples, self.rows = examples, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> Example:  # type: ignore[override]
        return self.examples[int(self.rows[place])]
