"""A backbone by its config: a network, a tokenizer, new item tokens, adapters."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from transformers import AddedToken, PreTrainedTokenizerBase

from p5rec.core.errors import UserError
from p5rec.core.rng import derive_seed

from .adapters import adapt, is_adapted
from .base import Traits
from .config import BackboneConfig, LoraSettings
from .grow import grow
from .quiet import quiet
from .transformer import traits_of


@dataclass(frozen=True, eq=False)
class Backbone:
    """A network ready for items: a decoder, or an encoder and a decoder.

    Attributes:
        model: the network, its new rows and (where asked) its adapters the only trainable weights.
        tokenizer: knows the new tokens.
        first_new: the token id of the first new token; the others follow in order.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    first_new: int

    @property
    def causal(self) -> Any:
        """The :class:`.base.Network` under its adapters."""
        return self.model.get_base_model() if is_adapted(self.model) else self.model

    @cached_property
    def traits(self) -> Traits:
        """What the network is and can do."""
        return traits_of(self.causal)


def load_backbone(
    config: BackboneConfig,
    new_tokens: Sequence[str],
    seed: int,
    below: Sequence[LoraSettings] = (),
    *,
    empty: bool = False,
    download: bool = False,
) -> Backbone:
    """The backbone that ``config`` names, grown by ``new_tokens``.

    Args:
        below: adapters of earlier trainings, oldest first; they stay as they are.
        empty: shapes without numbers, on the ``meta`` device and not quantised: of a folder or a
            hub name the configuration and the tokenizer alone are read.
        download: whether what is not on this machine may be fetched.

    Raises:
        UserError: it cannot be opened (see :mod:`.pretrained`); its tokenizer and its matrix do not
            fit together; or a layer to adapt does not exist.
    """
    quiet()
    where = torch.device("meta") if empty else nullcontext()
    with where:
        model: Any
        model, tokenizer = config.open(seed, empty=empty, download=download)
        first_new = model.get_input_embeddings().num_embeddings
        model = grow(model, len(new_tokens), derive_seed(seed, "new rows"))
    # where the matrix is wider than the tokenizer, fill the gap so that ids match rows
    gap = [f"<|unused_{i}|>" for i in range(len(tokenizer), first_new)]
    # special tokens would vanish from what a server decodes, which skips them
    added = [AddedToken(word, normalized=False, special=False) for word in (*gap, *new_tokens)]
    tokenizer.add_tokens(added)
    rows = range(first_new, first_new + len(new_tokens))
    if tokenizer.convert_tokens_to_ids(list(new_tokens)) != list(rows):
        raise UserError(
            f"backbone {config.source or config.kind!r}: expected new tokens to take the ids "
            f"from {first_new} on, got a tokenizer that knows more words than the model, or some "
            "of ours already; choose another model"
        )
    if config.lora is not None:
        with where:
            model = adapt(model, [*below, config.lora], derive_seed(seed, "adapters"))
    return Backbone(model, tokenizer, first_new)
