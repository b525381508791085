"""Opens the backbone of a config: network, tokenizer, item tokens, adapters."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import torch

from p5rec.core.errors import UserError
from p5rec.core.rng import derive_seed

from .adapters import adapt, is_adapted
from .base import Traits
from .config import BackboneConfig, LoraSettings
from .extend import extend_vocabulary
from .transformer import traits_of
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, eq=False)
class Backbone:
    """A network with item tokens: a decoder, or an encoder and a decoder.

    Attributes:
        model: the network; with adapters, only they and the new token embeddings are trainable.
        vocabulary: with the new tokens.
        first_new: the id of the first new token; the others follow in order.
    """

    model: Any
    vocabulary: Vocabulary
    first_new: int

    @property
    def causal(self) -> Any:
        """The :class:`.base.Network` without its adapter wrapper."""
        return self.model.get_base_model() if is_adapted(self.model) else self.model

    @cached_property
    def traits(self) -> Traits:
        """Properties of the network."""
        return traits_of(self.causal)


def load_backbone(
    config: BackboneConfig,
    new_tokens: Sequence[str],
    seed: int,
    base_adapters: Sequence[LoraSettings] = (),
    *,
    empty: bool = False,
    download: bool = False,
) -> Backbone:
    """The backbone of ``config`` with its vocabulary extended by ``new_tokens``.

    Args:
        base_adapters: frozen adapters of earlier trainings, oldest first.
        empty: create modules without weights, on the ``meta`` device and not quantised; of a
            folder or a hub name only the configuration and the tokenizer are read.
        download: whether missing files may be downloaded.

    Raises:
        UserError: the backbone cannot be opened (see :mod:`.pretrained`); tokenizer and embedding
            matrix do not match; or a layer in ``lora.targets`` does not exist.
    """
    device = torch.device("meta") if empty else nullcontext()
    with device:
        model: Any
        model, vocabulary = config.open(seed, empty=empty, download=download)
        first_new = model.get_input_embeddings().num_embeddings
        model = extend_vocabulary(model, len(new_tokens), derive_seed(seed, "new rows"))
    name = config.source or config.kind
    vocabulary = vocabulary.changed(partial(_with_tokens, name, new_tokens, first_new))
    if config.lora is not None:
        with device:
            model = adapt(model, [*base_adapters, config.lora], derive_seed(seed, "adapters"))
    return Backbone(model, vocabulary, first_new)


def _with_tokens(
    name: str, new_tokens: Sequence[str], first_new: int, tokenizer: PreTrainedTokenizerBase
) -> PreTrainedTokenizerBase:
    """``tokenizer`` with ``new_tokens``, whose ids begin with ``first_new``."""
    from transformers import AddedToken

    # if the matrix has more tokens than the tokenizer, fill the gap so that ids match embeddings
    gap = [f"<|unused_{i}|>" for i in range(len(tokenizer), first_new)]
    # not special: servers skip special tokens when they decode
    added = [AddedToken(word, normalized=False, special=False) for word in (*gap, *new_tokens)]
    tokenizer.add_tokens(added)
    ids = range(first_new, first_new + len(new_tokens))
    if tokenizer.convert_tokens_to_ids(list(new_tokens)) != list(ids):
        raise UserError(
            f"backbone {name!r}: expected new tokens to take the ids from {first_new} on, got a "
            "tokenizer with more tokens than the model, or with some of the new tokens already; "
            "choose another model"
        )
    return tokenizer
