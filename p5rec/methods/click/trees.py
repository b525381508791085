"""Gradient-boosted trees over click rates, attributes, side vectors and history counts.

The ensemble is scikit-learn's ``HistGradientBoostingClassifier``. Ids enter as smoothed click rates
and counts of the user and the item. In training these come from other instances (target encoding
by folds); else the trees would read their own labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits

from p5rec.core.artefacts import Lineage, read_json, write_json
from p5rec.core.rng import derive_seed, keyed, tie_order
from p5rec.core.types import Corpus, Histories, check_rows
from p5rec.data.click_instances import ClickInstances

from ..arrays import load_arrays, save_arrays
from ..base import Method
from ..needs import Inputs, Need
from .ensemble import NODES, Trees
from .features import UserIndex, dumped, fields_of, restored
from .instances import training_instances, validation_instances
from .ranking import RanksPairs
from .settings import CLICKS
from .tabular import Rates, Tabular, rates_by_folds
from .vectors import read_vectors, vector_needs

ABOUT = "trees.json"
DEPTH = 6  # of a tree, at most
FOLDS = 5  # of the target encoding


@dataclass(frozen=True, eq=False)
class TreesPredictor(RanksPairs):
    """Predicts clicks by boosted trees, and ranks by their probability.

    Attributes:
        tabular: turns requests into numbers.
        trees: the ensemble.
        tie: ``(N,)`` tie order.
        lineage: the training events.
    """

    tabular: Tabular
    trees: Trees
    tie: np.ndarray
    lineage: Lineage | None = None

    def predict_click(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.PredictsClicks`.

        Raises:
            ValueError: item rows outside the data.
        """
        check_rows("item", items, len(self.tie))
        logits = self.trees.logits(self.tabular.matrix(histories, items))
        return (1 / (1 + np.exp(-logits))).astype(np.float32)

    def scores(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """See :class:`.ranking.RanksPairs`."""
        scores = np.empty((len(histories), len(items)), dtype=np.float32)
        for row in range(len(histories)):
            same = histories.take(np.full(len(items), row))
            scores[row] = self.predict_click(same, items)
        return scores

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`."""
        about, arrays = dumped(self.tabular.fields)
        for name in ("user_rates", "item_rates"):
            own: Rates = getattr(self.tabular, name)
            arrays |= {f"{name}.rates": own.rates, f"{name}.counts": own.counts}
        arrays |= {"tie": self.tie, "user_keys": self.tabular.users.keys}
        save_arrays(folder, {**arrays, **self.trees.nodes, "roots": self.trees.roots})
        ensemble = {"depth": self.trees.depth, "base": self.trees.base}
        write_json(folder / ABOUT, {"fields": about, **ensemble})


class BoostedTrees(Method):
    """Gradient-boosted trees over click rates, attributes and history counts."""

    kind: Literal["boosted-trees"] = "boosted-trees"
    trees: int = Field(default=300, ge=1)
    """Most trees."""
    leaves: int = Field(default=16, ge=2)
    """Most leaves of a tree."""
    leaf_instances: int = Field(default=50, ge=1)
    """Fewest training instances of a leaf."""
    learning_rate: float = Field(default=0.05, gt=0)
    """Factor of each tree."""
    patience: int = Field(default=20, ge=0)
    """Trees without a lower validation log loss before training stops. 0: fit all ``trees``."""
    vectors: tuple[str, ...] = ()
    """Side vectors of users or items, by their names in the recipe: each number is a column."""

    capabilities = CLICKS
    stochastic = True
    content_based = True
    untuned = Method.untuned | {"vectors"}
    grid = {"leaves": (8, 16, 32)}

    @property
    def needs_validation(self) -> bool:
        """See :class:`p5rec.methods.base.Method`: also for early stopping."""
        return super().needs_validation or self.patience > 0

    def as_chosen(self, model: Path) -> Self:
        """See :class:`p5rec.methods.base.Method`: training ends at the number of its trees."""
        length = {"trees": len(load_arrays(model)["roots"]), "patience": 0}
        return super().as_chosen(model).model_copy(update=length)

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`: the side vectors."""
        return vector_needs(self.vectors)

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`."""
        log = corpus.interactions
        instances = training_instances(corpus, seed, None)
        sides = (instances.users, log.n_users), (instances.items, log.n_items)
        tabular = Tabular(
            fields_of(corpus, read_vectors(self.vectors, inputs)),
            UserIndex(log.user_keys),
            *(Rates.of(rows, instances.labels, count) for rows, count in sides),
        )
        folds = keyed(log.event_keys[instances.events], seed, "folds") % np.uint64(FOLDS)
        encoded = [rates_by_folds(rows, instances.labels, count, folds) for rows, count in sides]
        rates = np.concatenate(encoded, axis=1)
        matrix = tabular.with_rates(rates, instances.histories, instances.items)
        held_out = validation_instances(corpus, seed, None) if self.patience else None
        trees = self._trees(matrix, instances.labels, tabular, held_out, seed)
        lineage = Lineage(log.event_keys[corpus.split.mask("train")])
        TreesPredictor(tabular, trees, tie_order(log.item_keys, seed), lineage).save(folder)
        return lineage

    def _trees(
        self,
        matrix: np.ndarray,
        labels: np.ndarray,
        tabular: Tabular,
        held_out: ClickInstances | None,
        seed: int,
    ) -> Trees:
        """The ensemble fitted to ``matrix (B, K)`` and ``labels (B,)``."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        validation = {}
        if held_out is not None:
            held_out_matrix = tabular.matrix(held_out.histories, held_out.items)
            validation = {"X_val": held_out_matrix, "y_val": held_out.labels}
        ensemble = HistGradientBoostingClassifier(
            max_iter=self.trees, max_leaf_nodes=self.leaves, max_depth=DEPTH,
            min_samples_leaf=self.leaf_instances, learning_rate=self.learning_rate,
            early_stopping=bool(validation), n_iter_no_change=max(1, self.patience),
            random_state=derive_seed(seed, "trees") % 2**32,
        )  # fmt: skip
        matrix[:, np.isnan(matrix).all(axis=0)] = 0  # which no tree can split
        with threadpool_limits(1):  # sums over several threads are rounded differently
            ensemble.fit(matrix, labels, **validation)
        return Trees.of(ensemble)

    def load(self, folder: Path) -> TreesPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        arrays, about = load_arrays(folder), read_json(folder / ABOUT)
        tabular = Tabular(
            restored(about["fields"], arrays),
            UserIndex(arrays["user_keys"]),
            *(
                Rates(arrays[f"{name}.rates"], arrays[f"{name}.counts"])
                for name in ("user_rates", "item_rates")
            ),
        )
        nodes = {name: arrays[name] for name in NODES}
        trees = Trees(nodes, arrays["roots"], about["depth"], about["base"])
        return TreesPredictor(tabular, trees, arrays["tie"])
