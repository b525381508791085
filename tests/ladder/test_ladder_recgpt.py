"""RecGPT reads the items that it generated in place of hidden clicks; null: users forget them."""

from pathlib import Path

import numpy as np
import pytest
from hidden_clicks_world import hidden_clicks_world

from p5rec.core.types import Corpus
from p5rec.data.split import instances
from p5rec.methods.baselines.sasrec import Sasrec
from p5rec.methods.systems.recgpt.method import Recgpt, RecgptPretraining
from p5rec.metrics.intervals import mean_of, paired

pytestmark = [pytest.mark.ladder, pytest.mark.system("recgpt")]

STAGE_1 = {
    "width": 32, "window": 9, "dropout": 0.1, "ema_epochs": 1, "batch": 512,
    "learning_rate": 1e-2, "user_dropout": 1.0, "epochs": 15, "patience": 0, "tune": {},
}  # fmt: skip
STAGE_2 = {**STAGE_1, "learning_rate": 5e-3, "start": "stage 1"}


def ndcg(method: Sasrec, corpus: Corpus, folder: Path, **inputs: Path) -> np.ndarray:
    """NDCG@10 of each test user of a fit into ``folder``."""
    folder.mkdir()
    method.fit(corpus, folder, seed=0, inputs=inputs)
    histories, targets, _ = instances(corpus.interactions, corpus.split, "test")
    lists = method.load(folder).recommend(histories, 10)
    return ((lists.items == targets[:, None]) / np.log2(np.arange(10) + 2)).sum(1)


def gains(root: Path, controls: dict[str, Sasrec], *, planted: bool, users: int = 2000):
    """The difference of stage 2 to each control, which continues from the same stage 1."""
    root.mkdir()
    corpus = hidden_clicks_world(root, planted=planted, users=users)
    ndcg(RecgptPretraining(**STAGE_1), corpus, root / "stage 1")
    found = {
        name: mean_of(ndcg(method, corpus, root / name, start=root / "stage 1"))
        for name, method in {"stage 2": Recgpt(**STAGE_2), **controls}.items()
    }
    everyone = np.arange(users)
    return [paired(found["stage 2"], found[name], everyone, seed=0)[0] for name in controls]


def test_generated_items_stand_in_for_hidden_clicks(tmp_path, check_planted):
    continued = {"continued": RecgptPretraining(**STAGE_2)}
    permuted = {"permuted": Recgpt(**STAGE_2, permute_generated=True)}
    planted, of_others = gains(tmp_path / "planted", continued | permuted, planted=True)
    (null,) = gains(tmp_path / "null", continued, planted=False)
    assert of_others.low > 0
    check_planted(
        "where some clicks are recorded without their item, training on histories with generated "
        "items ranks better than training on histories alone for as many epochs",
        "NDCG@10",
        planted=planted,
        null=null,
    )
