"""The rows that CTRL aligns: their texts, and the stored hidden states of the texts. R rows."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import torch

from p5rec.backbones.precision import fast_dtype
from p5rec.backbones.split_encoder import TokenStates, check_top, lower_states, open_text_model
from p5rec.core.artefacts import Lineage, write_json
from p5rec.core.rng import sampled
from p5rec.core.types import Corpus
from p5rec.data.click_instances import ClickInstances, click_instances
from p5rec.prompting.template import fill
from p5rec.tasks.item_facts import Known
from p5rec.tasks.view import unnamed_view

from ...arrays import load_arrays, save_arrays
from ...needs import Inputs

if TYPE_CHECKING:
    from .method import RowTexts

ABOUT = "about.json"
NOTHING, UNKNOWN = "nothing yet", "not known"


def write_rows(texts: RowTexts, seed: int, corpus: Corpus, inputs: Inputs, folder: Path) -> Lineage:
    """Writes the keys of the drawn rows and the hidden states of their texts.

    Args:
        texts: the settings.
        seed: of the draw, and of random weights.
        corpus: the data.
        inputs: none.
        folder: receives the states.

    Returns:
        The training events: histories are made of them.
    """
    start = perf_counter()
    instances = aligned_rows(corpus, texts.rows, texts.history, seed)
    tokenizer, model = open_text_model(texts.encoder, random=texts.random, seed=seed)
    check_top(texts.encoder, model, texts.trained_layers)
    states = lower_states(
        row_texts(corpus, instances, texts.template),
        tokenizer,
        model,
        texts.trained_layers,
        max_tokens=texts.max_tokens,
        dtype=fast_dtype(torch.device("cpu")),
    )
    log = corpus.interactions
    keys = log.event_keys[instances.events]
    save_arrays(folder, {"keys": keys, "states": states.states, "offsets": states.offsets})
    seconds = round(perf_counter() - start, 1)
    about = {"rows": len(states), "tokens": len(states.states), "seconds": seconds}
    write_json(folder / ABOUT, about)
    return Lineage(log.event_keys[corpus.split.mask("train")])


def read_rows(folder: Path) -> tuple[np.ndarray, TokenStates]:
    """``(R,)`` uint64 keys of the events of the rows, and the hidden states of their texts."""
    arrays = load_arrays(folder)
    return arrays["keys"], TokenStates(arrays["states"], arrays["offsets"])


def aligned_rows(corpus: Corpus, most: int, history: int, seed: int) -> ClickInstances:
    """At most ``most`` training events as instances, drawn by their keys; labels are not read.

    Args:
        corpus: the data.
        most: rows.
        history: events in a history.
        seed: of the draw.
    """
    instances = click_instances(corpus, "train", seed, history)
    keys = corpus.interactions.event_keys[instances.events]
    _, first = np.unique(keys, return_index=True)  # sampled negatives come second
    return instances.take(first[sampled(keys[first], most, seed, "aligned rows")])


def row_texts(corpus: Corpus, instances: ClickInstances, template: str) -> list[str]:
    """The text of each of R rows: what was known before its event.

    Args:
        corpus: the data.
        instances: the rows, with histories.
        template: over the slots of :class:`.method.RowTexts`.
    """
    view, histories = unnamed_view(corpus), instances.histories
    items = [_in_words(known) for known in view.attributes]
    users = [_in_words(known) for known in view.user_attributes]
    titles = view.names.titles
    texts = []
    for row, (user, item) in enumerate(zip(instances.users, instances.items, strict=True)):
        past = histories.items[histories.offsets[row] : histories.offsets[row + 1]][::-1]
        words = {
            "title": titles[item] or UNKNOWN,
            "attributes": items[item],
            "user_attributes": users[user],
            "history": "|".join(titles[each] for each in past) or NOTHING,
        }
        texts.append(fill(template, words))
    return texts


def _in_words(known: Known) -> str:
    """Attributes as ``name is value|value, name is value``."""
    pairs = (f"{name.replace('_', ' ')} is {'|'.join(values)}" for name, values in known)
    return ", ".join(pairs) or UNKNOWN
