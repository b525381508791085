"""A fitted UniLLMRec: recommendations by a descent of the item tree. B requests, N items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage, read_json
from p5rec.core.progress import progress_bar
from p5rec.core.rng import id_keys
from p5rec.core.types import Histories, RankedLists, check_rows
from p5rec.data.item_tree import ItemTree
from p5rec.data.vector_store import VectorStore
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.prompting.library import PromptLibrary
from p5rec.recommend.diversity import marginal_relevance
from p5rec.recommend.ranking import CELLS, rank

from ...arrays import load_arrays
from ...folder import ITEMS, read_method
from ...generative.predictor import GenerativePredictor
from .descent import descend
from .fitting import ABOUT
from .rankers import Cost, ModelRanker, RandomRanker, TreePrompts
from .settings import MODEL, NOTES, VECTORS, UnillmrecSettings

POOL = 5  # candidates of the re-ranking, for each item of a list


@dataclass(frozen=True, eq=False)
class UnillmrecPredictor:
    """Descends the tree with a language model, ranks what it reaches, and re-ranks the best.

    Attributes:
        method: the settings.
        opened: the language model.
        tree: the items.
        titles: ``(N,)`` of the items.
        prior: ``(E,)`` log-probabilities of the edges without a history.
        notes: key of a user → text.
        vectors: ``(N, D)`` float32 of the items, NaN without one; None: nothing is re-ranked.
        tie: ``(N,)`` tie order.
        seed: of the control's draws.
        lineage: None: the folder's manifest has it.
    """

    method: UnillmrecSettings
    opened: GenerativePredictor
    tree: ItemTree
    titles: Sequence[str]
    prior: np.ndarray
    notes: Mapping[str, str]
    vectors: np.ndarray | None
    tie: np.ndarray
    seed: int
    lineage: Lineage | None = None

    @cached_property
    def prompts(self) -> TreePrompts:
        """The prompts about the nodes."""
        bundle = self.opened.bundle
        template = PromptLibrary.from_dump(bundle.prompts).get(self.method.template)
        return TreePrompts.of(bundle, template, self.tree, self.titles)

    def recommend(
        self,
        histories: Histories,
        k: int,
        *,
        exclude_seen: bool = True,
        allowed: Allowed | None = None,
    ) -> RankedLists:
        """See :class:`p5rec.methods.predictors.Recommends`."""
        n_requests = len(histories)
        check_rows("item", histories.items, len(self.tie))
        histories = replace(histories, keys=histories.request_keys)
        may = allowed or Allowed()
        if exclude_seen:
            may = may & Allowed(deny=ItemLists.seen(histories))
        items = np.empty((n_requests, k), dtype=np.int32)
        scores, cost = np.empty((n_requests, k), dtype=np.float32), Cost()
        step = max(1, CELLS // len(self.tie))
        with progress_bar(n_requests, "descend", "list") as advance:
            for start in range(0, n_requests, step):
                rows = np.arange(start, min(start + step, n_requests))
                reached = self.reached(histories.take(rows), k, may.take(rows), cost)
                items[rows], scores[rows] = self.ranked(reached, k)
                advance(len(rows))
        return RankedLists(histories.users, items, scores, cost.counts)

    def reached(self, histories: Histories, k: int, allowed: Allowed, cost: Cost) -> np.ndarray:
        """``(B, N)`` float32: the scores of the allowed items that a descent reaches, else -inf.

        Args:
            histories: B requests with keys.
            k: items that each request needs.
            allowed: the items that each request may be given.
            cost: counts what is read.
        """
        mask = allowed.mask(len(histories), len(self.tie))
        ranker = self.ranker_for(histories, cost)
        reached = descend(self.tree, ranker, mask, self.method.beams, k)
        return np.where(mask, reached, np.float32(-np.inf))

    def ranker_for(self, histories: Histories, cost: Cost) -> ModelRanker | RandomRanker:
        """The ranker of a descent; arguments as those of :meth:`reached`."""
        assert histories.keys is not None, "the caller sets them"
        if self.method.ranker == "random":
            return RandomRanker(self.tree, histories.keys, self.seed, cost)
        return ModelRanker(
            self.prompts,
            histories,
            [self.notes.get(f"{key:016x}") for key in histories.keys.tolist()],
            self.prior,
            self.method.calibration,
            self.opened.decode.batch_tokens,
            cost,
        )

    def ranked(self, reached: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """``(B, k)`` items and scores: the best of ``reached (B, N)``, re-ranked with diversity."""
        if self.vectors is None or not self.method.diversity:
            return rank(reached, k, self.tie)
        pool = min(POOL * k, reached.shape[1])
        items, scores = rank(reached, max(pool, k), self.tie)
        return marginal_relevance(items, scores, self.vectors, k, self.method.diversity)


def open_predictor(
    method: UnillmrecSettings, folder: Path, *, download: bool
) -> UnillmrecPredictor:
    """The predictor in ``folder``.

    Args:
        method: the settings.
        folder: complete.
        download: whether the backbone may be downloaded.
    """
    arrays, known = load_arrays(folder), read_json(folder / ITEMS)
    tree = ItemTree(arrays["starts"], arrays["children"], read_json(folder / ABOUT)["labels"])
    vectors = None
    if (folder / VECTORS).is_dir():
        vectors = VectorStore.read(folder / VECTORS).rows(id_keys(known["ids"]))
    opened = read_method(folder / MODEL).open_predictor(folder / MODEL, download=download)
    return UnillmrecPredictor(
        method,
        opened,
        tree,
        known["titles"],
        arrays["prior"],
        read_json(folder / NOTES) if (folder / NOTES).is_file() else {},
        vectors,
        arrays["tie"],
        int(arrays["seed"][0]),
    )
