"""A language model over items with codes: item embeddings, code probabilities, heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from p5rec.backbones.config import BackboneConfig
from p5rec.backbones.load import Backbone
from p5rec.backbones.transformer import configs_of
from p5rec.core.item_codes import ItemCodes
from p5rec.decode.trie import Trie

from .code_sums import Members, code_sums
from .config import HeadsConfig, ItemHeadConfig
from .heads import CodeHead, ItemHead, RatingHeads
from .language import LanguageModel
from .positions import behind, item_starts

# with this many times more items than children it is faster to gather the children's embeddings
FEW = 40


class ItemModel(LanguageModel):
    """A backbone with item codes in its vocabulary, and heads on its hidden states.

    Args:
        backbone: the language model, extended by ``sum(codes.sizes)`` code tokens and by the
            tokens of behaviours, if these are distinguished. A behaviour that follows an item
            shares its position.
        codes: the items' codes, ``(N, L)``.
        config: the representation of items. With ``items: positions`` an item takes one position,
            its embedding is the sum of its code embeddings, and a :class:`CodeHead` predicts its
            codes, unless the item head alone predicts items; otherwise each code takes a
            position. With ``item_embeddings`` each item has an
            embedding of its own, which is added to the input and used in the output: by the item
            head, or at the last code. It is initialised to zero (but see
            :meth:`init_item_embeddings`), so unseen items are represented by their codes only.
            Memory and training time grow with N.
        scale: the distinct ratings, ascending, or empty for no rating heads.
        heads: which rating heads; None: both.
        item_head: settings of the item head (:class:`ItemHead`); None: items are scored by their
            codes only.

    Attributes:
        codes: the items' codes.
        merged: whether an item takes one position.
        predicts_codes: whether codes are predicted one after another; else the item head alone
            predicts items.
        first_behaviour: the token of the first behaviour, if behaviours are distinguished.

    Raises:
        ValueError: items share codes, and have item embeddings or one token for each code.
    """

    def __init__(
        self,
        backbone: Backbone,
        codes: ItemCodes,
        config: BackboneConfig,
        scale: Sequence[float] = (),
        heads: HeadsConfig | None = None,
        item_head: ItemHeadConfig | None = None,
    ) -> None:
        super().__init__(backbone)
        self.merged = config.items == "positions"
        if codes.tied and (config.item_embeddings or not self.merged):
            raise ValueError(
                "items that share codes need items: positions, and item_embeddings: false"
            )
        self.first = backbone.first_new
        self.sizes, self.tied, self.normalisation = codes.sizes, codes.tied, config.normalisation
        self.first_behaviour = self.first + sum(codes.sizes)
        self.reads_behaviours = self.tokens > self.first_behaviour
        self.starts = [self.first + int(start) for start in codes.starts]
        self.codes, self.levels = codes, codes.levels
        width = self.traits.width
        heads = heads or HeadsConfig()
        self.heads = RatingHeads(width, scale, heads) if len(scale) and heads.any else None
        self.rating_words = heads.words  # whether the text of ratings is trained
        self.predicts_codes = item_head is None or not item_head.alone
        one_by_one = self.merged and self.predicts_codes
        self.code_head = CodeHead(width, config.head_dropout) if one_by_one else None
        self.item_head = ItemHead(width, item_head) if item_head else None
        self.item_embeddings = (
            nn.Parameter(torch.zeros(len(codes), width)) if config.item_embeddings else None
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        applied = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for cached in ("trie", "_catalogue"):  # they follow the parameters to another device
            vars(self).pop(cached, None)
        return applied  # type: ignore[no-any-return]

    @cached_property
    def trie(self) -> Trie:
        """The tree of the items' codes, on the model's device, built on first use.

        Raises:
            UserError: two items have equal codes.
        """
        with torch.inference_mode(False):  # training may use it later
            return Trie.build(self.codes.codes, self.codes.sizes).to(self.device)

    @cached_property
    def config(self) -> Any:
        """The architecture config, which the trainer needs."""
        return configs_of(self.causal)[0]

    @cached_property
    def generation_config(self) -> Any:
        """The generation config, which the trainer needs."""
        return configs_of(self.causal)[1]

    def code_embeddings(self, level: int) -> Tensor:
        """``(C_l, D)``: the embeddings of one level's codes, for input and output."""
        start = self.starts[level] - self.first
        return self.causal.get_output_embeddings().new[start : start + self.sizes[level]]

    @property
    def item_embedding_in_last_code(self) -> bool:
        """Whether the item embedding is part of the logit of the last code (no item head)."""
        return self.item_embeddings is not None and self.item_head is None

    @torch.no_grad()
    def init_code_embeddings(self) -> None:
        """Initialises code embeddings at random, so that their sums differ as item embeddings do.

        The item head's cosines separate items slowly if their vectors start equal.
        """
        assert self.item_head is not None
        std = self.item_head.config.init_std * self.n_read_levels**-0.5
        for level in range(self.n_read_levels):
            nn.init.normal_(self.code_embeddings(level), std=std)

    @torch.no_grad()
    def init_item_embeddings(self, trained: Tensor) -> None:
        """Initialises the embeddings of trained items at random; those of others stay zero.

        The item head's cosines separate items slowly if their embeddings start equal. An item
        without training events only occurs as a negative, so a trainable embedding would be pushed
        down, whatever its codes say. Such embeddings receive no gradient.

        Args:
            trained: ``(N,)`` bool, the items with a training event.
        """
        assert self.item_embeddings is not None
        assert self.item_head is not None
        nn.init.normal_(self.item_embeddings, std=self.item_head.config.init_std).mul_(
            trained[:, None]
        )
        self.item_embeddings.register_hook(lambda grad: grad * trained.to(grad.device)[:, None])

    @property
    def n_read_levels(self) -> int:
        """The number of levels in the input; a level that numbers items of equal codes is not."""
        return len(self.sizes) - 1 if self.tied else len(self.sizes)

    @property
    def offsets(self) -> Tensor:
        """``(L,)``: the number of each level's first code among all codes."""
        return torch.tensor(self.starts, device=self.device) - self.first

    @cached_property
    def _catalogue(self) -> tuple[Tensor, Members]:
        """The codes ``(N, L)`` of all items that the input has, numbered across all levels, and
        the items of each code."""
        with torch.inference_mode(False):  # the first call caches it, and training may use it later
            flat = torch.from_numpy(self.codes.flat[:, : self.n_read_levels]).contiguous()
            flat = flat.to(self.device)
            return flat, Members.of(flat, len(self.causal.get_output_embeddings().new))

    def item_vectors(self) -> Tensor:
        """``(N, D)``: the input embeddings of all items, if each takes one position."""
        flat, members = self._catalogue
        by_codes = code_sums(self.causal.get_output_embeddings().new, flat, members)
        return by_codes if self.item_embeddings is None else by_codes + self.item_embeddings

    def item_table(self) -> Tensor:
        """``(N, D)``: the item vectors of the item head.

        Raises:
            ValueError: the model has no item head.
        """
        if self.item_head is None:
            raise ValueError("expected a model with an item head, got one without")
        return self.item_head.vectors(self.item_vectors())

    def item_logs(self, states: Tensor, table: Tensor | None = None) -> Tensor:
        """``(B, D)`` states before items → ``(B, N)`` item log-probabilities of the item head.

        Args:
            table: the result of :meth:`item_table`; None: it is computed.

        Raises:
            ValueError: the model has no item head.
        """
        table = self.item_table() if table is None else table
        assert self.item_head is not None  # there is no table without
        return (self.item_head(states) @ table.T).log_softmax(-1)

    def code_logits(self, hidden: Tensor, level: int) -> Tensor:
        """``(..., D)`` hidden states → ``(..., C_l)`` float32 logits over one level's codes."""
        return linear(hidden, self.code_embeddings(level).to(hidden.dtype)).float()

    def log_probs(self, states: Tensor, level: int, nodes: Tensor) -> Tensor:
        """Log-probabilities of the codes of ``level`` after the prefixes at ``nodes``.

        With the normalisation ``items`` they sum to 1 over the codes that continue the prefix to
        an item, so that the probabilities of all items sum to 1. With ``level`` they sum to 1 over
        the codes of the level, with ``vocab`` over all tokens.

        Args:
            states: ``(..., D)`` states before the code.
            nodes: ``(...)`` nodes of the trie at depth ``level``.

        Returns:
            ``(..., C_l)`` float32; with ``items``, values of codes without an item are undefined.
        """
        if self.normalisation == "vocab":
            start = self.starts[level]
            logs = self.causal.get_output_embeddings()(states).float().log_softmax(-1)
            return logs[..., start : start + self.sizes[level]]
        if self.normalisation == "level":
            return self.code_logits(states, level).log_softmax(-1)
        if self.tied and level == len(self.sizes) - 1:  # a number without information
            logits = -torch.arange(self.sizes[level], device=states.device, dtype=torch.float32)
            return self.trie.log_softmax(level, nodes, logits.expand(*states.shape[:-1], -1))
        logits = self.code_logits(states, level)
        if self.item_embedding_in_last_code and level == len(self.sizes) - 1:
            logits = self.trie.add_to_children(
                level, nodes, logits, partial(self._item_logits, states)
            )
        return self.trie.log_softmax(level, nodes, logits)

    def _item_logits(self, states: Tensor, leaf: Tensor) -> Tensor:
        """``(..., F)`` float32: products of states ``(..., D)`` and the item embeddings of leaves
        ``(..., F)``."""
        assert self.item_embeddings is not None
        if not torch.is_grad_enabled() and len(self.item_embeddings) > FEW * leaf.shape[-1]:
            embeddings = self.item_embeddings[self.trie.leaf_item[leaf]].to(states.dtype)
            return (embeddings @ states[..., None])[..., 0].float()
        embeddings = self.item_embeddings[self.trie.leaf_item].to(states.dtype)
        return linear(states, embeddings).float().gather(-1, leaf)

    def items_of(self, codes: Tensor) -> Tensor:
        """``(M,)``: the items with the codes ``(M, L)``."""
        nodes = torch.zeros_like(codes[:, 0])
        for level, code in enumerate(codes.unbind(1)):
            nodes = self.trie.descend(level, nodes, code)
        return self.trie.leaf_item[nodes]

    def codes_at(self, ids: Tensor, sequence: Tensor, token: Tensor) -> Tensor:
        """``(M, L)``: the codes of the items that start at M tokens of ``ids (B, T)``."""
        tokens = token[:, None] + torch.arange(len(self.starts), device=token.device)
        return ids[sequence[:, None], tokens] - ids.new_tensor(self.starts)

    def shared_positions(self, ids: Tensor) -> tuple[Tensor, Tensor | None]:
        """See :class:`.LanguageModel`: the codes of an item, and its behaviour."""
        if not self.merged:
            return super().shared_positions(ids)
        starts = item_starts(ids, self.first, self.sizes)
        if not self.reads_behaviours:
            return starts, None
        return starts, behind(starts, self.levels) & (ids >= self.first_behaviour)

    def lengths(self, prompts: Sequence[np.ndarray]) -> np.ndarray:
        """See :class:`.LanguageModel`; of an item's codes and behaviour, the first code alone has a
        position of its own."""
        tokens = super().lengths(prompts)
        if not self.merged or not tokens.any():
            return tokens
        inner = np.concatenate(prompts) >= self.first + self.sizes[0]
        seen = np.concatenate([[0], inner.cumsum()])
        ends = tokens.cumsum()
        return tokens - (seen[ends] - seen[ends - tokens])

    def position_embeddings(self, ids: Tensor, starts: Tensor, first_tokens: Tensor) -> Tensor:
        """See :class:`.LanguageModel`; an item's position has the sum of its code embeddings, the
        item embedding and that of the behaviour."""
        embedded = super().position_embeddings(ids, starts, first_tokens)
        if not self.merged:
            return embedded
        sequence, position = starts.gather(1, first_tokens).nonzero(as_tuple=True)
        token = first_tokens[sequence, position]
        codes = self.codes_at(ids, sequence, token)
        new = self.causal.get_input_embeddings().new
        items = code_sums(new, (codes + self.offsets)[:, : self.n_read_levels])
        if self.item_embeddings is not None:
            items = items + self.item_embeddings[self.items_of(codes)]
        if self.reads_behaviours:
            after = (token + self.levels).clamp(max=ids.shape[1] - 1)
            kind = ids[sequence, after] - self.first
            marked = (token + self.levels == after) & (kind >= sum(self.sizes))
            items = items + marked[:, None] * new[kind.clamp(min=0)]
        return embedded.index_put((sequence, position), items.to(embedded.dtype))
