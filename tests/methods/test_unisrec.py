"""UniSRec: its equations, what is frozen, what is saved, and what its inputs must agree on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from text_domains import corpus_of, law, text_vectors, write_log
from torch.nn import functional as F

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import UserError
from p5rec.core.types import Corpus
from p5rec.data.split import instances
from p5rec.data.vector_store import VectorStore
from p5rec.methods.arrays import load_arrays
from p5rec.methods.checks import in_order
from p5rec.methods.contract import RULES, check_contract
from p5rec.methods.needs import Inputs
from p5rec.methods.systems.unisrec.method import Unisrec, UnisrecPretraining
from p5rec.methods.systems.unisrec.pretraining import drop_items
from p5rec.models.contrastive import sequence_item_loss, sequence_sequence_loss
from p5rec.models.unisrec import Adaptor, AdaptorShape

pytestmark = pytest.mark.system("unisrec")

SMALL = {
    "width": 8, "experts": 2, "layers": 1, "window": 6, "epochs": 2, "patience": 0, "batch": 64,
}  # fmt: skip
FROZEN = "network.sequence."


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("logs")
    return corpus_of(write_log(folder, "a", law("a", shared=True), users=30, events=6))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("logs")
    return corpus_of(write_log(folder, "b", law("b", shared=True), users=30, events=6))


@pytest.fixture(scope="module")
def pretrained(source: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pretrained")
    text_vectors(source).save(root / "vectors")
    return fitted(UnisrecPretraining(**SMALL), source, root / "model", root / "vectors")


def fitted(method, corpus: Corpus, folder: Path, vectors: Path, **inputs: Path) -> Path:
    folder.mkdir()
    method.fit(corpus, folder, seed=0, inputs={"vectors": vectors, **inputs})
    return folder


def vectors_of(corpus: Corpus, folder: Path, **about: str) -> Path:
    text_vectors(corpus, **about).save(folder)
    return folder


def unit(*shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape), dim=-1)


def test_the_adaptor_mixes_whitened_copies_by_gates():
    torch.manual_seed(0)
    adaptor = Adaptor(AdaptorShape(6, 4, 3, 0.5)).eval()
    for weight in adaptor.parameters():
        torch.nn.init.normal_(weight)
    texts = torch.randn(5, 6)
    gates = (texts @ adaptor.gates.weight.T).softmax(1)
    experts = adaptor.whiten.weight.view(3, 4, 6)
    wanted = sum(
        gates[:, k, None] * ((texts - adaptor.offsets[k]) @ experts[k].T) for k in range(3)
    )
    torch.testing.assert_close(adaptor(texts), wanted)
    adaptor.train()
    assert not torch.equal(adaptor(texts), adaptor(texts))  # dropout, and noise on the gates


def test_an_item_without_a_text_has_a_learned_vector():
    adaptor = Adaptor(AdaptorShape(6, 4, 3, 0.0))
    texts = torch.randn(3, 6)
    texts[1] = torch.nan
    vectors = adaptor(texts)
    torch.testing.assert_close(vectors[1], adaptor.without_text)
    vectors.sum().backward()
    assert all(weight.grad.isfinite().all() for weight in adaptor.parameters())


def test_losses_leave_out_pairs_with_the_same_item():
    torch.manual_seed(0)
    states, items, targets = unit(12, 8), unit(5, 8), torch.randint(0, 5, (12,))
    same = targets[:, None] == targets
    same.fill_diagonal_(False)
    logits = (states @ items[targets].T / 0.1).masked_fill(same, -torch.inf)
    wanted = F.cross_entropy(logits, torch.arange(12))
    torch.testing.assert_close(sequence_item_loss(states, items, targets, 0.1), wanted)
    views = unit(12, 8)
    logits = (states @ views.T / 0.1).masked_fill(same, -torch.inf)
    wanted = F.cross_entropy(logits, torch.arange(12))
    torch.testing.assert_close(sequence_sequence_loss(states, views, targets, 0.1), wanted)


def test_dropped_items_leave_the_others_in_order():
    chosen = torch.tensor([[1, 0, 1, 0, 0], [0, 1, 0, 1, 1]], dtype=torch.bool)
    order, ends = drop_items(chosen, torch.tensor([4, 2]))
    assert order[0, : ends[0] + 1].tolist() == [0, 1, 3, 4]
    assert order[1, : ends[1] + 1].tolist() == [0, 2]


class WithVectors(Unisrec):
    """A method that finds its vectors by itself."""

    folder: str

    def needs(self, seed):
        return {}

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        return super().fit(
            corpus, folder, seed=seed, inputs={"vectors": Path(self.folder), **inputs}
        )


@pytest.mark.parametrize("setting", ["inductive", "transductive"])
def test_it_keeps_the_contract_of_methods(target: Corpus, tmp_path: Path, setting: str):
    folder = str(vectors_of(target, tmp_path / "vectors"))
    method = WithVectors(**SMALL, folder=folder, setting=setting, users=0.5)
    (tmp_path / "fits").mkdir()
    assert check_contract(method, target, tmp_path / "fits") == {rule: [] for rule in RULES}


@pytest.mark.parametrize("setting", ["inductive", "transductive"])
def test_tuning_freezes_the_encoder_to_the_bit(
    target: Corpus, pretrained: Path, tmp_path: Path, setting: str
):
    vectors = vectors_of(target, tmp_path / "vectors")
    method = Unisrec(**SMALL, pretrained=str(pretrained), setting=setting)
    after = load_arrays(fitted(method, target, tmp_path / "m", vectors, pretrained=pretrained))
    before = load_arrays(pretrained)
    for name in before:
        if name.startswith("network.adaptor.") and "without_text" not in name:
            assert not np.array_equal(before[name], after[name]), name
        if name.startswith(FROZEN) and name != "network.sequence.items.weight":
            np.testing.assert_array_equal(before[name], after[name])
    own = len(after["network.sequence.items.weight"])
    assert own == (len(target.catalog) if setting == "transductive" else 0)


def test_a_share_of_the_users_trains_and_all_are_tested(target: Corpus, tmp_path: Path):
    vectors = vectors_of(target, tmp_path / "vectors")
    (tmp_path / "m").mkdir()
    method, inputs = Unisrec(**SMALL, users=0.2), {"vectors": vectors}
    lineage = method.fit(target, tmp_path / "m", seed=0, inputs=inputs)
    log = target.interactions
    assert len(np.unique(log.users[lineage.contains(log.event_keys)])) == 6
    histories, _, _ = instances(log, target.split, "test")
    lists = method.load(tmp_path / "m").recommend(histories, 5)
    trained = np.unique(log.items[lineage.contains(log.event_keys)])
    assert (lists.items >= 0).all()
    assert (~np.isin(lists.items, trained)).any()  # items without training events


def test_pre_training_reads_both_kinds_of_views(source: Corpus, tmp_path: Path):
    vectors = vectors_of(source, tmp_path / "vectors")
    other = text_vectors(source)
    replace(other, vectors=np.roll(other.vectors, 1, axis=0)).save(tmp_path / "dropped")
    weights = []
    for n, settings in enumerate(({}, {"word_views": 1.0}, {"sequence_weight": 0.0})):
        method = UnisrecPretraining(**{**SMALL, "sequence_weight": 1.0, **settings})
        inputs = {"dropped": tmp_path / "dropped"} if n == 1 else {}
        folder = fitted(method, source, tmp_path / f"m{n}", vectors, **inputs)
        weights.append(load_arrays(folder)["network.adaptor.whiten.weight"])
    assert len({each.tobytes() for each in weights}) == 3


@pytest.mark.parametrize(
    ("about", "settings", "message"),
    [
        ({"encoder": "smollm2"}, {}, "expected a model with the text encoder of this data"),
        ({}, {"width": 16}, "expected a UniSRec of the same sizes"),
    ],
)
def test_a_model_of_another_kind_is_one_line(
    target: Corpus, pretrained: Path, tmp_path: Path, about: dict, settings: dict, message: str
):
    vectors = vectors_of(target, tmp_path / "vectors", **about)
    with pytest.raises(UserError, match=message) as error:
        fitted(Unisrec(**SMALL | settings), target, tmp_path / "m", vectors, pretrained=pretrained)
    assert len(error.value.lines) == 1


def test_vectors_of_another_catalogue_and_a_missing_model_are_one_line(
    source: Corpus, target: Corpus, tmp_path: Path
):
    vectors = vectors_of(source, tmp_path / "vectors")
    with pytest.raises(UserError, match="expected vectors of some of these"):
        fitted(Unisrec(**SMALL), target, tmp_path / "m", vectors)
    tuned = Unisrec(**SMALL, pretrained=str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"methods\.tuned\.pretrained: expected a method's name"):
        in_order({"tuned": tuned})
    needs = tuned.needs(0)
    with pytest.raises(UserError, match="expected the weights of a pre-trained UniSRec"):
        needs["pretrained"].hash(tmp_path / "none")


def test_items_without_vectors_are_ranked(target: Corpus, tmp_path: Path):
    store = text_vectors(target)
    keep = np.arange(len(store)) % 4 > 0
    VectorStore.of(store.keys[keep], store.vectors[keep], store.about, Lineage.none()).save(
        tmp_path / "vectors"
    )
    model = Unisrec(**SMALL).load(
        fitted(Unisrec(**SMALL), target, tmp_path / "m", tmp_path / "vectors")
    )
    histories, _, _ = instances(target.interactions, target.split, "test")
    lists = model.recommend(histories, len(target.catalog), exclude_seen=False)
    assert (lists.items >= 0).all()
    assert np.isfinite(lists.scores).all()
