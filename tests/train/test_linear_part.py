"""The linear part is fitted to the training events, in the way that the catalogue allows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from small_runs import ITEMS, log

from p5rec.core.errors import UserError
from p5rec.core.features import Users
from p5rec.core.types import Catalog, Corpus
from p5rec.methods.baselines.ease import Ease
from p5rec.methods.baselines.itemknn import ItemKnn
from p5rec.methods.generative.config import LinearConfig
from p5rec.methods.generative.linear_fitting import fit, largest


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    interactions, split = log()
    ids = [f"i{n}" for n in range(ITEMS)]
    catalog = Catalog(pa.table({"item": ids, "title": ids}))
    return Corpus(interactions, catalog, Users.of([f"u{n}" for n in range(30)]), split)


def test_a_catalogue_that_is_too_large_for_ease_has_neighbours(corpus: Corpus) -> None:
    log, split = corpus.interactions, corpus.split
    weights = Ease(l2=3).learn(log, split).weights
    plain = {"popularity_discount": 0}
    settings = LinearConfig(l2=3, max_items=ITEMS, **plain)
    assert np.array_equal(fit(settings, log, split).linear.weights.toarray(), weights)
    near = ItemKnn(neighbours=5).learn(log, split).similar.toarray()
    for asked in ({"max_items": ITEMS - 1}, {"kind": "item-knn"}):
        found = fit(LinearConfig(kept=5, **plain, **asked), log, split).linear
        assert np.array_equal(found.weights.toarray(), near)
    with pytest.raises(UserError, match=f"expected at most {ITEMS - 1} items, got {ITEMS}"):
        fit(LinearConfig(kind="ease", max_items=ITEMS - 1), log, split)


@pytest.mark.parametrize("kind", ["ease", "item-knn"])
def test_what_is_said_of_an_item_is_discounted_by_how_popular_it_is(
    corpus: Corpus, kind: str
) -> None:
    log, split = corpus.interactions, corpus.split

    def weights(discount: float) -> np.ndarray:
        config = LinearConfig(kind=kind, kept=5, popularity_discount=discount)
        return fit(config, log, split).linear.weights.toarray()

    events = np.bincount(log.items[split.mask("train")], minlength=ITEMS)
    assert 0 < events.min() < events.max()
    assert np.allclose(weights(0.5) * np.sqrt(events), weights(0), rtol=1e-5, atol=0)


def test_each_item_keeps_its_largest_weights_whichever_their_sign() -> None:
    weights = np.array([[0, -5, 2, 1], [3, 0, 0, 0], [1, -2, 0, -3], [4, 3, 2, 0]], np.float32)
    assert largest(weights, 2).toarray().tolist() == [
        [0, -5, 2, 0], [3, 0, 0, 0], [0, -2, 0, -3], [4, 3, 0, 0]
    ]  # fmt: skip
    assert np.array_equal(largest(weights, 9).toarray(), weights)
