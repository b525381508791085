"""The contract of methods: every baseline keeps it, and it finds what breaks it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from last_item import Follows, LastItem
from method_kinds import BASELINES, baseline_of

from p5rec.core.errors import UserError
from p5rec.core.types import Histories, Interactions, RankedLists, Split
from p5rec.methods.contract import RULES, check_contract, contract_data
from p5rec.methods.registry import METHODS

METHODS_BY_KIND = {kind: baseline_of(kind) for kind in BASELINES}
ALONE = [k for k, m in METHODS_BY_KIND.items() if not (m.needs(0) or m.query_needs(0))]


@pytest.fixture(scope="module")
def data() -> Any:
    return contract_data()


@pytest.mark.parametrize("kind", ALONE)
def test_every_baseline_keeps_it(kind: str, data: Any, tmp_path: Path) -> None:
    found = check_contract(baseline_of(kind), data, tmp_path)
    assert found == {rule: [] for rule in RULES}


def test_a_method_with_inputs_is_refused(data: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="fusion: expected a method that is fitted to the data"):
        check_contract(baseline_of("fusion"), data, tmp_path)


class OfBatch(Follows):
    def scores(self, histories: Histories) -> np.ndarray:
        scores = super().scores(histories)
        return scores - scores.mean(axis=0)


class Unrestricted(Follows):
    def recommend(self, histories: Histories, k: int, **_: Any) -> RankedLists:
        return super().recommend(histories, k, exclude_seen=False)


class Improbable(Follows):
    def predict_click(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        return np.full(len(items), 2.0)


class Failing(Follows):
    def scores(self, histories: Histories) -> np.ndarray:
        return self.follows[[histories[b][-1] for b in range(len(histories))]]


class Faulty(LastItem):
    predictor: ClassVar[type[Follows]] = Follows

    def learn(self, interactions: Interactions, split: Split) -> Follows:
        return self.predictor(**vars(super().learn(interactions, split)))

    def load(self, folder: Path) -> Follows:
        return self.predictor(**vars(super().load(folder)))


class Random(Faulty):
    def learn(self, interactions: Interactions, split: Split) -> Follows:
        model = super().learn(interactions, split)
        return replace(model, follows=model.follows + np.float32(np.random.default_rng().random()))


class Leaky(Faulty):
    def learn(self, interactions: Interactions, split: Split) -> Follows:
        every = replace(split, of_event=np.zeros_like(split.of_event))
        return super().learn(interactions, every)


class Untied(Faulty):
    def learn(self, interactions: Interactions, split: Split) -> Follows:
        return replace(super().learn(interactions, split), tie=np.arange(interactions.n_items))


class Forgetful(Faulty):
    def load(self, folder: Path) -> Follows:
        model = super().load(folder)
        return replace(model, follows=np.zeros_like(model.follows))


class Silent(Faulty):
    capabilities = ("recommend",)


def with_predictor(predictor: type[Follows]) -> type[Faulty]:
    about = {"__module__": __name__, "predictor": predictor}
    return type(f"With{predictor.__name__}", (Faulty,), about)


FAULTS = {
    Random: ("equal seeds", "model.safetensors differs between two fits with one seed"),
    Leaky: ("a fit reads", "model.safetensors depends on test events"),
    Silent: ("the predictor has", "the predictor has a method 'predict_click'"),
    Forgetful: ("a saved model", "the lists of `learn` differ from those of `load`"),
    Untied: ("lists are complete", "not in the order of core.rng.tie_order"),
    with_predictor(Unrestricted): ("lists keep to", "lists with candidates are not"),
    with_predictor(OfBatch): ("a prediction does not", "the list of request 0 depends on the"),
    with_predictor(Improbable): ("predictions have", "a probability is outside of 0 to 1"),
    with_predictor(Failing): ("a saved model", "IndexError: index -1 is out of bounds"),
}


@pytest.mark.parametrize("faulty", FAULTS)
def test_faults_are_found(
    faulty: type[Faulty], data: Any, tmp_path: Path, own_plugins: None
) -> None:
    METHODS.add("last-item", "last_item:LastItem")
    rule, message = FAULTS[faulty]
    found = check_contract(faulty(), data, tmp_path)
    assert any(
        message in line for key, lines in found.items() if key.startswith(rule) for line in lines
    ), found


def test_the_complete_example_keeps_it(data: Any, tmp_path: Path, own_plugins: None) -> None:
    METHODS.add("last-item", "last_item:LastItem")
    assert check_contract(LastItem(), data, tmp_path) == {rule: [] for rule in RULES}
