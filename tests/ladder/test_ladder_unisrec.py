"""UniSRec finds a law over texts that two domains share, and no law where each has its own."""

from pathlib import Path

import numpy as np
import pytest
from text_domains import corpus_of, law, text_vectors, write_log

from p5rec.data.split import instances
from p5rec.methods.systems.unisrec.method import Unisrec, UnisrecPretraining

pytestmark = [pytest.mark.ladder, pytest.mark.system("unisrec")]

SMALL = {
    "width": 16, "layers": 1, "experts": 2, "window": 8, "ema_epochs": 1,
    "temperature": 0.1, "learning_rate": 5e-3, "batch": 512,
}  # fmt: skip


def ndcg(model, corpus):
    """NDCG@10 of each test user."""
    histories, targets, _ = instances(corpus.interactions, corpus.split, "test")
    lists = model.recommend(histories, 10, exclude_seen=False)
    return ((lists.items == targets[:, None]) / np.log2(np.arange(10) + 2)).sum(1)


def tuned(root: Path, *, shared: bool):
    """NDCG@10 on the second domain by method: 20 of its 400 users train, all are tested."""
    source, target = (
        corpus_of(write_log(root, name, law(name, shared=shared), 400)) for name in ("a", "b")
    )
    store = text_vectors(target)
    text_vectors(source).save(root / "source")
    store.save(root / "texts")
    store.permuted(0).save(root / "permuted")
    (root / "model").mkdir()
    pretraining = UnisrecPretraining(**SMALL, epochs=15)
    pretraining.fit(source, root / "model", seed=0, inputs={"vectors": root / "source"})

    def fit(name: str, vectors: str, **pretrained: Path):
        method = Unisrec(**SMALL, users=0.05, epochs=40, patience=5)
        folder = root / name
        folder.mkdir()
        method.fit(target, folder, seed=0, inputs={"vectors": root / vectors, **pretrained})
        return ndcg(method.load(folder), target)

    return {
        "unisrec": fit("unisrec", "texts", pretrained=root / "model"),
        "from-scratch": fit("from-scratch", "texts"),
        "permuted-texts": fit("permuted-texts", "permuted", pretrained=root / "model"),
    }


def interval(one, other):
    """The 95 % interval of the mean paired difference."""
    spread = 1.96 * (one - other).std() / len(one) ** 0.5
    return (one - other).mean() - spread, (one - other).mean() + spread


def test_pre_training_helps_where_domains_share_a_law(tmp_path):
    found = tuned(tmp_path, shared=True)
    assert interval(found["unisrec"], found["from-scratch"])[0] > 0.1
    assert interval(found["unisrec"], found["permuted-texts"])[0] > 0.1


def test_pre_training_does_not_help_where_each_domain_has_its_own_law(tmp_path):
    found = tuned(tmp_path, shared=False)
    low, high = interval(found["unisrec"], found["from-scratch"])
    assert low < 0 < high
