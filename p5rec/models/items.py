"""A language model over items that have codes: its heads, how it reads items, how it names them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from p5rec.backbones.config import BackboneConfig
from p5rec.backbones.load import Backbone
from p5rec.backbones.transformer import configs_of, decoder_of
from p5rec.core.types import ItemCodes
from p5rec.decode.trie import Trie

from .config import HeadsConfig, ItemHeadConfig
from .heads import CodeHead, ItemHead, RatingHeads
from .positions import Positions, ahead, behind, merge, whole_items

# times more items than children: from here on it is faster to fetch the children's rows alone
FEW = 40


class ItemModel(nn.Module):
    """A backbone with item codes in its vocabulary, and the heads that read its states.

    Args:
        backbone: the language model, grown by ``sum(codes.sizes)`` code tokens, and by those of
            behaviours where these are told apart: one that follows an item shares its position.
        codes: the items' codes, ``(N, L)``.
        config: how items are read and named. With ``items: positions`` an item stands at one
            position, the sum of its codes' rows, and a :class:`CodeHead` names its codes; otherwise
            each code is a token of its own. With ``item_embeddings`` each item has a row of its own
            beside those of its codes, in which it is read and, by the item head or else at its last
            code, named. It starts at zero (but see :meth:`draw_rows`): an item that is never seen
            is known by its codes alone. Memory and training time grow with N.
        scale: the distinct ratings, ascending, or empty for no rating heads.
        heads: which rating heads; None: both.
        item_head: score whole items too (:class:`ItemHead`); None: by their codes alone.

    Attributes:
        trie: the items, on the model's device.
        traits: of the language model.
        first_behaviour: the token of the first behaviour, where these are told apart.

    Raises:
        ValueError: items that share codes have rows of their own, or a token for each code.
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
        super().__init__()
        merged = config.items == "positions"
        if codes.tied and (config.item_embeddings or not merged):
            raise ValueError("items that share codes need positions, and no rows of their own")
        self.lm = backbone.model
        self.first = backbone.first_new
        self.sizes, self.tied, self.normalisation = codes.sizes, codes.tied, config.normalisation
        self.first_behaviour = self.first + sum(codes.sizes)
        self.reads_behaviours = self.tokens > self.first_behaviour
        self.starts = [self.first + int(start) for start in codes.starts]
        self.trie = Trie.build(codes.codes, codes.sizes)
        self.traits = backbone.traits
        self.config, self.generation_config = configs_of(self.causal)  # the trainer asks
        width = self.traits.width
        heads = heads or HeadsConfig()
        self.heads = RatingHeads(width, scale, heads) if len(scale) and heads.any else None
        self.rating_words = heads.words  # whether rows with ratings teach their text
        self.code_head = CodeHead(width, config.head_dropout) if merged else None
        self.item_head = ItemHead(width, item_head) if item_head else None
        self.item_embeddings = (
            nn.Parameter(torch.zeros(len(codes), width)) if config.item_embeddings else None
        )
        self._follow()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        applied = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._follow()
        return applied  # type: ignore[no-any-return]

    def _follow(self) -> None:
        """Lets the tree lie where the parameters do."""
        if self.trie.leaf_item.device != self.device:
            self.trie = self.trie.to(self.device)

    @property
    def causal(self) -> Any:
        """The language model under its adapters: a :class:`p5rec.backbones.base.Network`."""
        return self.lm.get_base_model() if hasattr(self.lm, "get_base_model") else self.lm

    @property
    def seq2seq(self) -> bool:
        """Whether an encoder reads the questions."""
        return self.traits.start is not None

    @property
    def start(self) -> int:
        """The token that opens every answer, where an encoder reads the questions."""
        assert self.traits.start is not None
        return self.traits.start

    @property
    def decoder(self) -> Any:
        """The model without its output head: tokens → hidden states."""
        return decoder_of(self.causal)

    @property
    def tokens(self) -> int:
        """V: words, codes of items, and behaviours."""
        return int(self.causal.get_input_embeddings().tokens)

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return next(self.parameters()).device

    def code_rows(self, level: int) -> Tensor:
        """``(C_l, D)``: the rows of one level's codes, in which they are read and named."""
        start = self.starts[level] - self.first
        return self.causal.get_output_embeddings().new[start : start + self.sizes[level]]

    @property
    def names_own(self) -> bool:
        """Whether an item's own row is in its last code: an item head names it otherwise."""
        return self.item_embeddings is not None and self.item_head is None

    @torch.no_grad()
    def draw_rows(self, taught: Tensor) -> None:
        """Starts own rows at random; those of items that are not taught stay at zero for good.

        Cosines of items that are alike at the start are slow to tell them apart; and an item that
        only ever is a wrong answer would learn to be one, its codes' word notwithstanding.

        Args:
            taught: ``(N,)`` bool.
        """
        assert self.item_embeddings is not None
        assert self.item_head is not None
        nn.init.normal_(self.item_embeddings, std=self.item_head.config.spread).mul_(
            taught[:, None]
        )
        self.item_embeddings.register_hook(lambda slope: slope * taught.to(slope.device)[:, None])

    @property
    def told(self) -> int:
        """The levels whose codes are read; a level that numbers items of equal codes is not."""
        return len(self.sizes) - 1 if self.tied else len(self.sizes)

    def item_vectors(self) -> Tensor:
        """``(N, D)``: all items as they are read where each takes one position."""
        codes = self.trie.item_codes
        rows: Tensor = sum(self.code_rows(n)[codes[:, n]] for n in range(self.told))  # type: ignore[assignment]
        return rows if self.item_embeddings is None else rows + self.item_embeddings

    def item_table(self) -> Tensor:
        """``(N, D)``: the vectors by which the item head names items.

        Raises:
            ValueError: the model has no item head.
        """
        if self.item_head is None:
            raise ValueError("expected a model with an item head, got one without")
        return self.item_head.vectors(self.item_vectors())

    def item_logs(self, states: Tensor, table: Tensor | None = None) -> Tensor:
        """``(B, D)`` states before items → ``(B, N)`` log-probabilities of whole items.

        Args:
            table: what :meth:`item_table` says, for those who ask more than once.

        Raises:
            ValueError: the model has no item head.
        """
        table = self.item_table() if table is None else table
        assert self.item_head is not None  # there is no table without
        return (self.item_head(states) @ table.T).log_softmax(-1)

    def code_logits(self, hidden: Tensor, level: int) -> Tensor:
        """``(..., D)`` hidden states → ``(..., C_l)`` float32 logits over one level's codes."""
        return linear(hidden, self.code_rows(level).to(hidden.dtype)).float()

    def log_probs(self, states: Tensor, level: int, nodes: Tensor) -> Tensor:
        """Log-probabilities of the codes of ``level`` after the prefixes at ``nodes``.

        They sum to 1 over the codes that lead to an item after the prefix (``items``: those of all
        items then sum to 1), over the codes of the level (``level``), or over all tokens
        (``vocab``, a language model's own).

        Args:
            states: ``(..., D)`` what names the code.
            nodes: ``(...)`` nodes of the trie at depth ``level``.

        Returns:
            ``(..., C_l)`` float32; with ``items``, those of codes that lead nowhere mean nothing.
        """
        if self.normalisation == "vocab":
            start = self.starts[level]
            logs = self.causal.get_output_embeddings()(states).float().log_softmax(-1)
            return logs[..., start : start + self.sizes[level]]
        if self.normalisation == "level":
            return self.code_logits(states, level).log_softmax(-1)
        if self.tied and level == len(self.sizes) - 1:  # a number, of which nothing is to be known
            logits = -torch.arange(self.sizes[level], device=states.device, dtype=torch.float32)
            return self.trie.log_softmax(level, nodes, logits.expand(*states.shape[:-1], -1))
        logits = self.code_logits(states, level)
        if self.names_own and level == len(self.sizes) - 1:
            logits = self.trie.raised(level, nodes, logits, partial(self._own, states))
        return self.trie.log_softmax(level, nodes, logits)

    def _own(self, states: Tensor, leaf: Tensor) -> Tensor:
        """``(..., F)`` float32: what states ``(..., D)`` say to the items' own rows at ``leaf``."""
        assert self.item_embeddings is not None
        if not torch.is_grad_enabled() and len(self.item_embeddings) > FEW * leaf.shape[-1]:
            rows = self.item_embeddings[self.trie.leaf_item[leaf]].to(states.dtype)
            return (rows @ states[..., None])[..., 0].float()
        rows = self.item_embeddings[self.trie.leaf_item].to(states.dtype)
        return linear(states, rows).float().gather(-1, leaf)

    def items_at(self, ids: Tensor, whole: Tensor) -> Tensor:
        """``(B, T)``: the item that begins at a token; any item where none does."""
        nodes = torch.zeros_like(ids)
        for level, start in enumerate(self.starts):
            code = torch.where(whole, ahead(ids, level) - start, 0)
            nodes = self.trie.descend(level, nodes, code)
        return self.trie.leaf_item[nodes]

    def embed(
        self,
        ids: Tensor,
        mask: Tensor | None = None,
        *,
        blank: Tensor | None = None,
        at_end: bool = False,
    ) -> tuple[Tensor, Positions]:
        """Tokens ``(B, T)`` as the decoder reads them: ``(B, P, D)``, and where they stand.

        Args:
            mask: ``(B, T)``, 0 for padding, which may lie on either side; None: there is none.
            blank: ``(B, T)`` bool, tokens that keep their place but read as nothing.
            at_end: let the last positions be the real ones, not the first.
        """
        levels = len(self.sizes)
        real = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()
        rows = self.causal.get_input_embeddings()(ids)
        whole, marks = torch.zeros_like(ids, dtype=torch.bool), None
        if self.code_head is not None:
            whole = whole_items(ids, self.first, self.sizes)
            more = sum(ahead(rows, level) for level in range(1, self.told))
            if self.item_embeddings is not None:
                more = more + self.item_embeddings[self.items_at(ids, whole)].to(rows.dtype)
            if self.reads_behaviours:
                marks = behind(whole, levels) & (ids >= self.first_behaviour)
                more = more + ahead(marks[..., None] * rows, levels)
            rows = rows + whole[..., None] * more
        at = merge(whole, real, levels, marks, at_end=at_end)
        if blank is not None:
            rows = rows.masked_fill(blank[..., None], 0)
        return rows.gather(1, at.opens[..., None].expand(-1, -1, rows.shape[-1])), at

    def encode(
        self, ids: Tensor, mask: Tensor | None, blank: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Questions ``(B, S)`` as the encoder reads them: ``(B, P, D)``, and what of it is real."""
        embedded, at = self.embed(ids, mask, blank=blank)
        encoder = self.causal.get_encoder()
        read = encoder(inputs_embeds=embedded, attention_mask=at.real.long())
        return read.last_hidden_state, at.real

    def states(
        self, encoded: Tensor | None = None, real: Tensor | None = None, **inputs: Any
    ) -> Tensor:
        """``(B, P, D)``: what the decoder makes of its ``inputs``, as the output head reads it.

        Args:
            encoded, real: see :meth:`encode`; None: there is no encoder.
        """
        if encoded is not None:
            inputs |= {"encoder_hidden_states": encoded, "encoder_attention_mask": real}
        hidden: Tensor = self.decoder(**inputs).last_hidden_state
        shrink = self.traits.shrink
        return hidden * shrink if shrink != 1 else hidden
