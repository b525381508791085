"""RecGPT reads the items that it generated: users come back to them; null: they do not."""

from pathlib import Path

import numpy as np
import pytest
from feedback_world import feedback_world

from p5rec.core.types import Corpus
from p5rec.data.split import instances
from p5rec.methods.baselines.sasrec import Sasrec
from p5rec.methods.systems.recgpt.method import Recgpt, RecgptPretraining
from p5rec.metrics.intervals import mean_of, paired

pytestmark = [pytest.mark.ladder, pytest.mark.system("recgpt")]

STAGE_1 = {
    "width": 16, "window": 8, "dropout": 0.0, "temperature": 0.05, "ema_epochs": 1, "batch": 256,
    "learning_rate": 5e-3, "user_dropout": 1.0, "epochs": 10, "patience": 0, "tune": {},
}  # fmt: skip
STAGE_2 = {**STAGE_1, "epochs": 15, "start": "stage 1"}


def ndcg(method: Sasrec, corpus: Corpus, folder: Path, **inputs: Path) -> np.ndarray:
    """NDCG@10 of each test user of a fit into ``folder``."""
    folder.mkdir()
    method.fit(corpus, folder, seed=0, inputs=inputs)
    histories, targets, _ = instances(corpus.interactions, corpus.split, "test")
    lists = method.load(folder).recommend(histories, 10)
    return ((lists.items == targets[:, None]) / np.log2(np.arange(10) + 2)).sum(1)


def differences(root: Path, *, planted: bool, users: int = 1500):
    """Stage 2 against stage 1 for as many epochs, and against permuted items."""
    root.mkdir()
    corpus = feedback_world(root, planted=planted, users=users)
    ndcg(RecgptPretraining(**STAGE_1), corpus, root / "stage 1")
    found = {
        name: mean_of(ndcg(method, corpus, root / name, start=root / "stage 1"))
        for name, method in {
            "stage 2": Recgpt(**STAGE_2),
            "continued": RecgptPretraining(**STAGE_2),
            "permuted": Recgpt(**STAGE_2, permute_generated=True),
        }.items()
    }
    everyone = np.arange(users)
    return [
        paired(found["stage 2"], found[name], everyone, seed=0)[0]
        for name in ("continued", "permuted")
    ]


def test_users_come_back_to_generated_items(tmp_path, check_planted):
    planted, of_others = differences(tmp_path / "planted", planted=True)
    null, _ = differences(tmp_path / "null", planted=False)
    assert of_others.low > 0
    check_planted(
        "where users come back to items that a model generated for them, training on histories "
        "with the generated items ranks better than training on histories alone for as many epochs",
        "NDCG@10",
        planted=planted,
        null=null,
    )
