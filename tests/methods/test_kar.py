"""KAR: the adaptor's equations, what is served, and what its inputs must agree on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from knowledge_world import KnowledgeWorld, fitted, held_out, knowledge_world

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import UserError
from p5rec.core.types import Corpus
from p5rec.data.click_instances import click_instances
from p5rec.data.profile import profile_events
from p5rec.data.vector_store import VectorStore
from p5rec.methods.arrays import load_arrays
from p5rec.methods.click.kinds import Din
from p5rec.methods.contract import RULES, check_contract
from p5rec.methods.systems.kar.adapting import adapted_vectors
from p5rec.methods.systems.kar.method import Kar
from p5rec.models.click.experts import ExpertSizes, towers

pytestmark = pytest.mark.system("kar")

BASES = ("logistic", "din")


def kar(base: str = "deepfm", **settings: Any) -> Kar:
    section = {"kind": base, "tune": {}, "epochs": 1, "patience": 0}
    return Kar(**{"base": section, "hidden": (6, 4), **settings})


@pytest.fixture(scope="module")
def world() -> KnowledgeWorld:
    return knowledge_world(users=30, items=40, events=6)


@pytest.fixture(scope="module")
def vectors(world: KnowledgeWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vectors")
    world.save_vectors(folder)
    return folder


def predictions(model: Any, corpus: Corpus) -> bytes:
    test = held_out(corpus)
    lists = model.recommend(test.histories, 5)
    clicks = model.predict_click(test.histories, test.items)
    return clicks.tobytes() + lists.items.tobytes() + lists.scores.tobytes()


def test_a_tower_mixes_shared_and_dedicated_experts_by_its_gate() -> None:
    torch.manual_seed(0)
    users, items = towers([5, 5], ExpertSizes(2, 3, (4, 3), 0.0))
    assert [*users.shared] == [*items.shared]
    assert not {*users.dedicated} & {*items.dedicated}
    read = torch.randn(7, 5)
    for tower in (users, items):
        weights = torch.softmax(tower.gate(read), 1)
        wanted = sum(
            weights[:, n, None] * expert(read)
            for n, expert in enumerate((*tower.shared, *tower.dedicated))
        )
        torch.testing.assert_close(tower(read), wanted)


def test_an_entity_without_a_text_is_unknown_and_trains() -> None:
    (tower,) = towers([5], ExpertSizes(1, 1, (4, 3), 0.0))
    read = torch.randn(3, 5)
    read[1] = torch.nan
    adapted = tower(read)
    assert adapted.isnan().all(1).tolist() == [False, True, False]
    adapted.nan_to_num().sum().backward()
    assert all(weight.grad.isfinite().all() for weight in tower.parameters())


@pytest.mark.parametrize("base", BASES)
def test_stored_vectors_predict_the_same_bits_as_recomputed_ones(
    base: str, world: KnowledgeWorld, vectors: Path, tmp_path: Path
) -> None:
    stored, texts = (kar(base, stored=each) for each in ("adapted", "texts"))
    served = fitted(stored, world.corpus, vectors, tmp_path / "stored")
    recomputed = fitted(texts, world.corpus, vectors, tmp_path / "texts")
    assert predictions(served, world.corpus) == predictions(recomputed, world.corpus)
    assert not any("adapters" in name for name in load_arrays(tmp_path / "stored"))
    again = texts.load(tmp_path / "texts")
    assert predictions(again, world.corpus) == predictions(served, world.corpus)


def test_an_adapted_vector_does_not_depend_on_the_others() -> None:
    (tower,) = towers([5], ExpertSizes(1, 2, (8, 4), 0.0))
    read = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    with torch.inference_mode():
        adapted = adapted_vectors(tower.eval(), read)
        chosen = [59, 3, 30]
        assert adapted_vectors(tower, read[chosen]).tobytes() == adapted[chosen].tobytes()


def test_an_item_without_a_text_is_predicted(
    world: KnowledgeWorld, vectors: Path, tmp_path: Path
) -> None:
    method = kar("logistic", users=None, stored="texts")
    store = VectorStore.read(vectors / "items")
    lost = world.corpus.interactions.item_keys[3]
    without = replace(
        store, keys=store.keys[store.keys != lost], vectors=store.vectors[store.keys != lost]
    )
    without.save(tmp_path / "stores" / "items")
    model = fitted(method, world.corpus, tmp_path / "stores", tmp_path / "without")
    assert np.isnan(model.model.fields.items.vectors[0][3]).all()
    test = held_out(world.corpus)
    assert np.isfinite(model.predict_click(test.histories, np.full_like(test.items, 3))).all()


def test_profile_events_are_never_instances(world: KnowledgeWorld) -> None:
    corpus = world.corpus
    profile = profile_events(corpus.interactions, corpus.split, 0.5, 30)
    guarded = replace(corpus, split=replace(corpus.split, profile=profile))
    train = click_instances(guarded, "train", 0)
    assert not profile[train.events].any()
    assert len(train) + profile.sum() == len(click_instances(corpus, "train", 0))


class WithVectors(Kar):
    """A method that finds its vectors by itself."""

    folder: str

    def needs(self, seed: int) -> dict[str, Any]:
        return {}

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Any) -> Any:
        found = {f"vectors.{name}": Path(self.folder) / name for name in self.names}
        return super().fit(corpus, folder, seed=seed, inputs=found)


def test_texts_that_show_training_targets_are_refused(
    world: KnowledgeWorld, vectors: Path, tmp_path: Path
) -> None:
    log = world.corpus.interactions
    store, shown = (
        VectorStore.read(vectors / "users"),
        log.event_keys[world.corpus.split.mask("train")],
    )
    written = store.about.model_copy(update={"source": "texts about"})
    replace(store, about=written, lineage=Lineage(shown[:5])).save(tmp_path / "users")
    (tmp_path / "items").symlink_to(vectors / "items")
    with pytest.raises(
        UserError, match=r"vectors\.users: .* got texts that show 5; set data\.profile"
    ):
        fitted(kar(), world.corpus, tmp_path, tmp_path / "model")


def test_the_click_model_keeps_its_ids_and_checks(world: KnowledgeWorld) -> None:
    base = {"kind": "deepfm", "item": "ngrams", "ids": "mine", "attributes": ["colour"]}
    method = Kar(base=base)
    assert method.semantic_ids == "mine"
    assert {*method.needs(0)} == {"ids", "vectors.users", "vectors.items"}
    assert {*method.query_needs(0)} == {"ids"}
    (line,) = method.check_data(world.corpus, ())
    assert line.startswith("base.attributes: expected one of users or items, got 'colour'")


def test_it_keeps_the_contract_of_methods(
    world: KnowledgeWorld, vectors: Path, tmp_path: Path
) -> None:
    method = WithVectors(**kar("dcnv2").dump(), folder=str(vectors))
    assert check_contract(method, world.corpus, tmp_path) == {rule: [] for rule in RULES}


def test_vectors_must_fit(world: KnowledgeWorld, vectors: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"kar\.users: expected vectors of users"):
        fitted(kar(users="items"), world.corpus, vectors, tmp_path / "a")
    store = VectorStore.read(vectors / "items")
    replace(store, vectors=store.vectors[:, :3].copy()).save(tmp_path / "items")
    (tmp_path / "users").symlink_to(vectors / "users")
    with pytest.raises(UserError, match=r"kar\.items: expected vectors of width 16"):
        fitted(kar(), world.corpus, tmp_path, tmp_path / "b")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"users": None, "items": None}, "name of vectors"),
        ({"base": {"kind": "ease"}}, "expected a click model, got the kind ease"),
        ({"base": {"kind": "din", "vectors": ["x"]}}, "expected no vectors here"),
        ({"base": {"kind": "genre"}}, "expected a click model, got the kind genre"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Kar(**settings)


def test_the_grid_of_the_click_model_is_searched() -> None:
    method = Kar(base={"kind": "din"}, tune={"dedicated": (2, 4)})
    grid = {(point.dedicated, point.base.l2) for point in method.points()}
    assert grid == {(count, l2) for count in (2, 4) for l2 in Din.grid["l2"]}
    assert all(point.points() == (point,) for point in method.points())
