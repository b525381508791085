"""A user's rating, click, explanation and ranked list from one encoding of the history.

python scripts/bench_joint_prediction.py [--users 16] [--window 80] [--repeats 2] [--json out.json]

The 16-block cut of SmolLM2-135M of the recipe `families`, untrained, on MovieLens 100k (float32,
one thread). Four ways take turns. `short text`: each prompt shows 5 events of the history as text,
as the recipe has them without shared histories. `text`: each prompt shows all events of the window.
`apart`: each prompt continues a sequence of them, which is read for each prompt. `joint`:
`model.predict`, which reads it once. Measured: answers per processor second, of each family, and of
all four together.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_shared_history import CUT
from trainers import setup_of

from p5rec.data.split import histories_of
from p5rec.methods.generative.method import Generative
from p5rec.models.bundle import Bundle
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.pairs import PairPrompts
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.generative import GenerativeRecommender
from p5rec.recommend.joint import FAMILIES, JointPredictor
from p5rec.recommend.pairs import PairExplainer, PairRater
from p5rec.recommend.prompt_predictions import encode_prompts
from p5rec.recommend.ratings import yes_probabilities
from p5rec.report.markdown import table

WHAT = ("ratings", "clicks", "explanations", "lists")
DECODE = DecodeConfig(k=10, beams=20, max_new_tokens=16)
Ask = Callable[[], Any]


def opened(window: int, shown: int, *, shared: bool) -> tuple[Bundle, Any]:
    """The model of one way, and the data.

    Args:
        window: events of a history that is a sequence.
        shown: events of a history in a prompt.
    """
    tasks = ("next-item", *FAMILIES.values())
    train = {
        "tasks": {name: {} for name in tasks}, "steps": 1, "max_tokens": 4096,
        "next_item": {"window": window},
    }  # fmt: skip
    method = Generative.model_validate({
        "backbone": {"name": "smollm2", "layers": CUT},
        "prompts": {"max_history": shown},
        "train": train | ({"shared_history": {}} if shared else {}),
    })  # fmt: skip
    setup = setup_of(method, rated=True)
    return setup.bundle.ready(), setup.corpus


def separate(bundle: Bundle, corpus: Any, users: np.ndarray, items: np.ndarray) -> dict[str, Ask]:
    """What is predicted → one call that predicts it alone."""
    rater, explainer = (kind(bundle, corpus, DECODE) for kind in (PairRater, PairExplainer))
    recommender = GenerativeRecommender(bundle, DECODE)
    asked = PairPrompts(
        bundle.view(corpus), PromptLibrary.from_dump(bundle.prompts), FAMILIES["clicks"],
        seed=corpus.split.seed, config=bundle.settings.prompts,
    )  # fmt: skip

    def clicks() -> np.ndarray:
        return yes_probabilities(
            bundle, encode_prompts(bundle, asked.examples(users, items)), DECODE
        )

    return {
        "ratings": lambda: rater(users, items),
        "clicks": clicks,
        "explanations": lambda: explainer(users, items),
        "lists": lambda: recommender.recommend(histories_of(corpus.interactions, users), DECODE.k),
    }


def seconds(ask: Ask) -> float:
    """Processor seconds of a call."""
    started = time.process_time()
    ask()
    return time.process_time() - started


def measured(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Way → family, or ``all`` → processor seconds."""
    rng = np.random.default_rng(0)
    window, shown = options.window, options.shown
    (short, corpus), (plain, _), (shared, _) = (
        opened(window, shown, shared=False),
        opened(window, window, shared=False),
        opened(window, shown, shared=True),
    )
    users = rng.permutation(corpus.interactions.n_users)[: options.users]
    items = rng.integers(0, corpus.interactions.n_items, len(users))
    joint = JointPredictor(shared, corpus, DECODE, WHAT)
    ways: Mapping[str, dict[str, Ask]] = {
        "short text": separate(short, corpus, users, items),
        "text": separate(plain, corpus, users, items),
        "apart": separate(shared, corpus, users, items),
        "joint": {"all": lambda: joint(users, items)},
    }
    found: dict[str, dict[str, float]] = {way: {} for way in ways}
    for _ in range(options.repeats):
        for way, asks in ways.items():
            for name, ask in asks.items():
                found[way][name] = found[way].get(name, 0) + seconds(ask)
    for own in found.values():
        own.setdefault("all", sum(own.values()))
    return found


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=16)
    parser.add_argument("--window", type=int, default=80)
    parser.add_argument("--shown", type=int, default=5, help="events in a short text")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = measured(options)
    users = options.users * options.repeats
    rows = [
        [name, *(f"{users * (4 if name == 'all' else 1) / found[way][name]:.1f}"
                 if name in found[way] else "" for way in found)]
        for name in (*WHAT, "all")
    ]  # fmt: skip
    print("\n".join(table(["family", *(f"{way}, answers/s" for way in found)], rows)))
    for way in ("short text", "text", "apart"):
        print(f"joint: {found[way]['all'] / found['joint']['all']:.2f} times as fast as {way}")
    if options.json is not None:
        options.json.write_text(
            json.dumps({"options": vars(options) | {"json": None}, "seconds": found})
        )


if __name__ == "__main__":
    main()
