"""UniSRec transfers a law over texts that two domains share; null: each domain has its own."""

from pathlib import Path

import numpy as np
import pytest
from text_domains import corpus_of, law, text_vectors, write_log

from p5rec.data.split import instances
from p5rec.methods.systems.unisrec.method import Unisrec, UnisrecPretraining
from p5rec.metrics.intervals import mean_of, paired

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
    root.mkdir()
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


def difference(found, one: str, other: str):
    """The paired difference of two methods' means over users."""
    users = np.arange(len(found[one]))
    (result,) = paired(mean_of(found[one]), mean_of(found[other]), users, seed=0)
    return result


def test_pre_training_transfers_a_law_over_texts_that_two_domains_share(tmp_path, check_planted):
    planted, null = (
        tuned(tmp_path / name, shared=name == "shared") for name in ("shared", "redrawn")
    )
    assert difference(planted, "unisrec", "permuted-texts").low > 0.1
    check_planted(
        "tuning on 20 users ranks better after pre-training on a domain with the same law over "
        "texts than from scratch",
        "NDCG@10",
        planted=difference(planted, "unisrec", "from-scratch"),
        null=difference(null, "unisrec", "from-scratch"),
    )
