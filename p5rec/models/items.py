"""A language model over items with codes: item embeddings, code probabilities, heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from p5rec.backbones.config import BackboneConfig
from p5rec.backbones.load import Backbone
from p5rec.backbones.transformer import configs_of
from p5rec.core.item_codes import ItemCodes
from p5rec.decode.trie import Trie

from .config import HeadsConfig, ItemHeadConfig
from .heads import CodeHead, ItemHead, RatingHeads
from .language import LanguageModel
from .positions import ahead, behind, item_starts

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
            codes; otherwise each code takes a position. With ``item_embeddings`` each item has an
            embedding of its own, which is added to the input and used in the output: by the item
            head, or at the last code. It is initialised to zero (but see
            :meth:`init_item_embeddings`), so unseen items are represented by their codes only.
            Memory and training time grow with N.
        scale: the distinct ratings, ascending, or empty for no rating heads.
        heads: which rating heads; None: both.
        item_head: settings of the item head (:class:`ItemHead`); None: items are scored by their
            codes only.

    Attributes:
        trie: the tree of the items' codes, on the model's device.
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
        merged = config.items == "positions"
        if codes.tied and (config.item_embeddings or not merged):
            raise ValueError(
                "items that share codes need items: positions, and item_embeddings: false"
            )
        self.first = backbone.first_new
        self.sizes, self.tied, self.normalisation = codes.sizes, codes.tied, config.normalisation
        self.first_behaviour = self.first + sum(codes.sizes)
        self.reads_behaviours = self.tokens > self.first_behaviour
        self.starts = [self.first + int(start) for start in codes.starts]
        self.trie, self.levels = Trie.build(codes.codes, codes.sizes), codes.levels
        width = self.traits.width
        heads = heads or HeadsConfig()
        self.heads = RatingHeads(width, scale, heads) if len(scale) and heads.any else None
        self.rating_words = heads.words  # whether the text of ratings is trained
        self.code_head = CodeHead(width, config.head_dropout) if merged else None
        self.item_head = ItemHead(width, item_head) if item_head else None
        self.item_embeddings = (
            nn.Parameter(torch.zeros(len(codes), width)) if config.item_embeddings else None
        )
        self._move_trie()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        applied = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._move_trie()
        return applied  # type: ignore[no-any-return]

    def _move_trie(self) -> None:
        """Moves the trie to the parameters' device."""
        if self.trie.leaf_item.device != self.device:
            self.trie = self.trie.to(self.device)

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

    def item_vectors(self) -> Tensor:
        """``(N, D)``: the input embeddings of all items, if each takes one position."""
        codes = self.trie.item_codes
        by_codes: Tensor = sum(  # type: ignore[assignment]
            self.code_embeddings(n)[codes[:, n]] for n in range(self.n_read_levels)
        )
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

    def items_at(self, ids: Tensor, starts: Tensor) -> Tensor:
        """``(B, T)``: the item that starts at a token; arbitrary where ``starts`` is False."""
        nodes = torch.zeros_like(ids)
        for level, first in enumerate(self.starts):
            code = torch.where(starts, ahead(ids, level) - first, 0)
            nodes = self.trie.descend(level, nodes, code)
        return self.trie.leaf_item[nodes]

    def token_embeddings(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """See :class:`.LanguageModel`; the first token of an item has the sum of all its codes."""
        embedded, starts, marks = super().token_embeddings(ids)
        if self.code_head is not None:
            starts = item_starts(ids, self.first, self.sizes)
            more = sum(ahead(embedded, level) for level in range(1, self.n_read_levels))
            if self.item_embeddings is not None:
                more = more + self.item_embeddings[self.items_at(ids, starts)].to(embedded.dtype)
            if self.reads_behaviours:
                marks = behind(starts, self.levels) & (ids >= self.first_behaviour)
                more = more + ahead(marks[..., None] * embedded, self.levels)
            embedded = embedded + starts[..., None] * more
        return embedded, starts, marks
