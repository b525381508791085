"""Bundles: a model with its tokenizer, codes, prompts and settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from p5rec.backbones.config import LoraSettings
from p5rec.backbones.control_tokens import literal_for
from p5rec.backbones.load import load_backbone
from p5rec.backbones.registry import AnyBackbone
from p5rec.backbones.vocabulary import Vocabulary
from p5rec.core.config import Config
from p5rec.core.examples import Past
from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import derive_seed, id_keys
from p5rec.core.types import Corpus, Histories
from p5rec.data.knowledge import Knowledge
from p5rec.ids.tokens import item_strings, token_strings
from p5rec.prompting.source import PromptsConfig
from p5rec.tasks.item_names import item_names
from p5rec.tasks.literal import Literal
from p5rec.tasks.view import DATA_ALONE, CorpusView, Shown

from .config import HeadsConfig, ItemHeadConfig, PointSettings
from .inputs import CodeLayout
from .multitask import MultitaskModel
from .ratings import RatedHistories

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class BundleSettings(Config):
    """Settings to rebuild the model and to prompt it as in training."""

    backbone: AnyBackbone
    seed: int  # of all random weights
    tie_seed: int = 0  # of the order of items with equal scores, and of sampled recommendations
    scale: tuple[float, ...] = ()  # distinct ratings, ascending; empty: no rating heads
    heads: HeadsConfig = HeadsConfig()
    facts: tuple[str, ...] = ()  # of the knowledge file
    item_head: ItemHeadConfig | None = None
    tasks: tuple[str, ...] = ("next-item",)
    window: int = 100  # maximum events of a history in the input
    prepend_bos: bool = True  # every history starts with the start token; false: empty ones only
    statistics: bool = False  # rating statistics of item and user precede each rating
    shared_history: bool = False  # prompts follow a history, with the ratings there are
    behaviours: tuple[str, ...] = ()  # distinguished in histories; the first is the default
    max_tokens: int = 768  # of a prompt
    prompts: PromptsConfig = PromptsConfig()
    base_adapters: tuple[LoraSettings, ...] = ()  # of earlier trainings, oldest first
    trained: bool = True  # false: zero-shot, without heads or item codes
    points: PointSettings | None = None  # vectors that prompts may hold; null: words alone


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model and everything needed for inference.

    Attributes:
        model: in eval mode.
        vocabulary: with the item tokens.
        layout: the items' codes and their token ids.
        settings: how the model was built.
        item_ids: ``(N,)`` external ids of the items.
        prompts: the prompt library of training as plain data; empty if there was none.
    """

    model: MultitaskModel
    vocabulary: Vocabulary
    layout: CodeLayout
    settings: BundleSettings
    item_ids: Sequence[str]
    prompts: dict[str, Any]

    @cached_property
    def item_keys(self) -> np.ndarray:
        """``(N,)`` uint64, the keys of the items' external ids."""
        return id_keys(self.item_ids)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """With the item tokens; opened at its first use."""
        return self.vocabulary.tokenizer

    @property
    def bos(self) -> int:
        """The start token of a history."""
        return self.vocabulary.bos

    @cached_property
    def literal(self) -> Literal:
        """Escapes data in prompts, so that none of them becomes a special token."""
        return literal_for(self.tokenizer)

    @cached_property
    def knowledge(self) -> Knowledge | None:
        """The facts that prompts about items show; None: there are none."""
        return Knowledge(self.settings.facts) if self.settings.facts else None

    def view(self, corpus: Corpus, shown: Shown = DATA_ALONE) -> CorpusView:
        """``corpus`` for this model's prompts, with items written as in training.

        Args:
            shown: what the prompts show besides.
        """
        codes, prompts = self.layout.codes, self.settings.prompts
        names = item_names(prompts.items, item_strings(codes), corpus.catalog.titles, self.literal)
        return CorpusView(
            corpus,
            names,
            notes=shown.notes,
            retrieved=shown.retrieved,
            points=shown.points,
            codes=codes.codes,
            shape=prompts.tree,
            knowledge=self.knowledge,
        )

    def histories(self, histories: Histories) -> list[np.ndarray]:
        """B prompts as token ids: the latest events of each history."""
        start, latest = np.array([self.bos]), histories.tail(self.settings.window)
        if self.settings.shared_history:
            return self._rated(latest)
        return [
            np.concatenate([start, tokens])
            if self.settings.prepend_bos or not len(tokens)
            else tokens
            for tokens in self.layout.histories(latest)
        ]

    def _rated(self, histories: Histories) -> list[np.ndarray]:
        ratings = histories.ratings
        if ratings is None:
            ratings = np.full(len(histories.items), np.nan, dtype=np.float32)
        return [
            self.history(Past(histories.items[begin:end], ratings[begin:end]))
            for begin, end in pairwise(histories.offsets)
        ]

    def history(self, past: Past) -> np.ndarray:
        """``(T,)`` the latest of ``past`` as token ids, each event followed by its rating.

        There are at most as many events as the last one of a training window sees.
        """
        items, ratings = (each[1 - self.settings.window :] for each in past)
        return self._rated_histories.write(items, ratings).tokens

    def continued(self, past: Past, tokens: np.ndarray) -> np.ndarray:
        """``(T,)`` the history of ``past``, and ``tokens`` after it, which the decoder reads if
        there is an encoder."""
        between = np.array([self.model.start] if self.model.seq2seq else [], dtype=np.int64)
        return np.concatenate([self.history(past), between, tokens])

    @cached_property
    def _rated_histories(self) -> RatedHistories:
        return self.rated_histories()

    def rated_histories(self) -> RatedHistories:
        """Converts histories with ratings to this model's tokens."""
        return RatedHistories(self.layout, self.tokenizer, self.settings.scale, self.bos)

    def ready(self, precision: str = "float32") -> Bundle:
        """This bundle for inference: in eval mode, on the GPU if there is one, in ``precision``.

        The default is float32, so that recommendations do not depend on the other requests of a
        batch.
        """
        self.model.ready(precision)
        return self


def build(
    settings: BundleSettings,
    codes: ItemCodes,
    item_ids: Sequence[str],
    prompts: dict[str, Any] | None = None,
    *,
    empty: bool = False,
    download: bool = False,
) -> Bundle:
    """A bundle before training.

    Args:
        empty: create the language model without weights.
        download: download the language model if it is not on this machine (see
            :func:`load_backbone`).
    """
    behaviours = settings.behaviours
    tokens = [*token_strings(codes.sizes), *(f"<behaviour_{n}>" for n in range(len(behaviours)))]
    backbone = load_backbone(
        settings.backbone, tokens, settings.seed, settings.base_adapters,
        empty=empty, download=download,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(settings.seed, "heads"))
        model = MultitaskModel(
            backbone,
            codes,
            settings.backbone,
            settings.scale,
            heads=settings.heads,
            item_head=settings.item_head,
        )
        if settings.points is not None:
            model.read_points(settings.points)
        model.eval()
    merged = settings.backbone.items == "positions"
    layout = CodeLayout(codes, backbone.first_new, behaviours, merged)
    return Bundle(model, backbone.vocabulary, layout, settings, item_ids, prompts or {})
