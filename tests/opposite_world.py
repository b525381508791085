"""A synthetic log in which two groups of users like opposite kinds of items.

Users of the group ``warm`` like items of even kinds, users of the group ``cold`` those of odd
kinds. A history says which group a user is of, because titles name the kinds. N items, U users.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from p5rec.core.features import Users
from p5rec.core.rng import id_keys
from p5rec.core.types import Catalog, Corpus, Interactions, Split

KINDS = ("harbour", "desert")
SIGNS = ("sun", "snow")  # of an item that only one group meets
WORDS = ("yes", "no", "liked", "disliked", "nothing", "will", "it", "be", "answer", "or", ".", ":",
         "?", ",", "user", "assistant", "system")  # fmt: skip


def opposite_world(
    *, users: int = 200, items: int = 60, events: int = 10, opposite: bool = True, seed: int = 0
) -> Corpus:
    """The log. Half of a user's items have a sign of the user's group; the others, which both
    groups meet, are liked by one group and disliked by the other, if their tastes are opposite.

    Args:
        users, items: their number.
        events: of each user; the last two are for test, the two before for validation.
        opposite: null: both groups like the same kind, so the group says nothing.
        seed: of all draws.
    """
    rng = np.random.default_rng(seed)
    kind = np.arange(items) % 2
    sign = rng.permutation(np.arange(items) % 4)  # 0 and 1: the signs; 2 and 3: none
    group = rng.integers(2, size=users)
    owner, chosen = np.repeat(np.arange(users), events), []
    shared = np.flatnonzero(sign > 1)
    for own in group.tolist():
        signed = rng.choice(np.flatnonzero(sign == own), events // 2, replace=False)
        rest = rng.choice(shared, events - events // 2, replace=False)
        first = np.array([*rng.permutation([*signed, *rest[:-4]]), *rest[-4:]])
        chosen.append(first)
    item = np.concatenate(chosen)
    taste = group[owner] if opposite else np.zeros(len(owner), np.int64)
    labels = ((kind[item] == taste) ^ (rng.random(len(item)) < 0.1)).astype(np.int8)
    words = ["" if n > 1 else f" {SIGNS[n]}" for n in sign]
    user_ids, item_ids = [f"u{n}" for n in range(users)], [f"i{n}" for n in range(items)]
    log = Interactions(
        users=owner.astype(np.int32),
        items=item.astype(np.int32),
        times=np.tile(np.arange(events), users).astype(np.int64),
        ratings=None,
        user_keys=id_keys(user_ids),
        item_keys=id_keys(item_ids),
        labels=labels,
        dated=False,
    )
    place = np.tile(np.arange(events), users)
    of_event = np.select([place >= events - 2, place >= events - 4], [2, 1], 0).astype(np.int8)
    titles = [f"{KINDS[k]}{w}" for k, w in zip(kind, words, strict=True)]
    return Corpus(
        log,
        Catalog(pa.table({"item": item_ids, "title": titles})),
        Users(pa.table({"user": user_ids})),
        Split("last", of_event),
    )


def save_word_model(folder: Path, width: int = 32, layers: int = 2) -> Path:
    """A language model over the words of the log, with random weights."""
    names = ("[PAD]", "[UNK]", "[END]", *KINDS, *SIGNS, *WORDS)
    words = Tokenizer(models.WordLevel({w: n for n, w in enumerate(names)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", eos_token="[END]"
    ).save_pretrained(folder)
    shape = LlamaConfig(
        vocab_size=len(names), hidden_size=width, num_hidden_layers=layers, num_attention_heads=2,
        intermediate_size=64, initializer_range=0.2, tie_word_embeddings=True,
        pad_token_id=0, eos_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(shape).save_pretrained(folder)
    return folder
