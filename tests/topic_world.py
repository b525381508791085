"""A synthetic log in which a word in an item's title decides who clicks, and a tiny text encoder
over its words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from p5rec.core.features import Users
from p5rec.core.rng import id_keys
from p5rec.core.types import Catalog, Corpus, Interactions, Split
from p5rec.data.click_instances import click_instances
from p5rec.methods.registry import METHODS
from p5rec.metrics.area import area
from p5rec.metrics.intervals import Statistic

TOPICS = ("harbour", "desert", "clock", "orchid", "violin", "glacier", "lantern", "market")
GROUPS = ("north", "south", "east", "west")
NAMES = tuple(f"name{n}" for n in range(40))
WORDS = (*TOPICS, *GROUPS, *NAMES, "this", "is", "an", "a", "item", "user", "title", "group",
         "who", "has", "recently", "chosen", "not", "known", "nothing", "yet")  # fmt: skip


def topic_world(
    *, users: int = 400, items: int = 1100, events: int = 15, planted: bool = True, seed: int = 0
) -> Corpus:
    """Users click items of half of the topics; an item has a topic, and about four training events.

    Args:
        users, items: their number.
        events: of each user; the last four are for test, the one before is for validation.
        planted: the topic is a word of the title; else the title has a word drawn at random.
        seed: of all draws.
    """
    rng = np.random.default_rng(seed)
    topic, other = rng.integers(len(TOPICS), size=(2, items))
    word = topic if planted else other
    group = rng.integers(len(GROUPS), size=users)
    chosen = np.concatenate([rng.permutation(items)[:events] for _ in range(users)])
    owner = np.repeat(np.arange(users), events)
    noise = rng.random(len(owner)) < 0.25
    labels = ((topic[chosen] % 2 == 0) ^ noise).astype(np.int8)
    user_ids, item_ids = (
        [f"{kind}{n}" for n in range(m)] for kind, m in (("u", users), ("i", items))
    )
    titles = [f"{NAMES[rng.integers(len(NAMES))]} {TOPICS[n]}" for n in word]
    log = Interactions(
        users=owner.astype(np.int32),
        items=chosen.astype(np.int32),
        times=np.tile(np.arange(events), users).astype(np.int64),
        ratings=None,
        user_keys=id_keys(user_ids),
        item_keys=id_keys(item_ids),
        texts={},
        labels=labels,
        dated=False,
    )
    place = np.tile(np.arange(events), users)
    of_event = np.select([place >= events - 4, place == events - 5], [2, 1], 0)
    return Corpus(
        log,
        Catalog(pa.table({"item": item_ids, "title": titles})),
        Users(pa.table({"user": user_ids, "group": [GROUPS[n] for n in group]})),
        Split("last", of_event.astype(np.int8)),
    )


def save_word_encoder(folder: Path, width: int = 32) -> Path:
    """A text encoder over :data:`WORDS` with two blocks and random weights."""
    shape = BertConfig(
        vocab_size=_save_words(folder), hidden_size=width, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=64,
    )  # fmt: skip
    BertModel(shape).save_pretrained(folder)
    return folder


def save_word_decoder(folder: Path, width: int = 32, layers: int = 3) -> Path:
    """A language model over :data:`WORDS` and labels with random weights."""
    shape = LlamaConfig(
        vocab_size=_save_words(folder, "[END]", "liked", "disliked"), hidden_size=width,
        num_hidden_layers=layers, num_attention_heads=2, intermediate_size=64,
        initializer_range=0.2, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(shape).save_pretrained(folder)
    return folder


def _save_words(folder: Path, *more: str) -> int:
    """Saves a tokenizer of :data:`WORDS` and ``more``, the end token first among these; returns the
    size of its vocabulary."""
    vocabulary = {word: n for n, word in enumerate(("[PAD]", "[UNK]", *WORDS, *more))}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",
        unk_token="[UNK]",
        eos_token=more[0] if more else None,
    )
    tokenizer.save_pretrained(folder)
    return len(vocabulary)


def fitted(section: Mapping[str, Any], corpus: Corpus, root: Path, seed: int = 0) -> Path:
    """The folder of the model that ``section`` fits to ``corpus``, without a grid search."""
    method = METHODS.get(section["kind"])(**{"tune": {}, **section})
    folder = Path(mkdtemp(dir=root))
    inputs = {}
    for name, need in method.needs(seed).items():
        inputs[name] = folder / name
        inputs[name].mkdir()
        need.work(corpus, {}, inputs[name])
    model = folder / "model"
    model.mkdir()
    method.fit(corpus, model, seed=seed, inputs=inputs)
    return model


def area_of(section: Mapping[str, Any], corpus: Corpus, root: Path) -> Statistic:
    """The AUC of the test events under the model that ``section`` fits to ``corpus``."""
    model = METHODS.get(section["kind"])(**section).load(fitted(section, corpus, root))
    test = click_instances(corpus, "test", 0)
    return area(model.predict_click(test.histories, test.items), test.labels > 0)
