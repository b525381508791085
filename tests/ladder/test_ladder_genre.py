"""Synthetic items of a table that knows what users like help short histories; null: a table of
random topics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ladder_records import CheckPlanted
from mean_intervals import paired_means
from short_history_world import fitted, short_history_world

from p5rec.data.click_instances import click_instances
from p5rec.methods.systems.genre.method import Genre
from p5rec.metrics.area import auc
from p5rec.metrics.intervals import Difference

DRAWS = 10  # of users, items, the table and the permutation
SETTINGS = {
    "tune": {}, "history": 1, "embedding": 8, "hidden": (16,), "attention": (16,), "epochs": 15,
    "patience": 0, "batch": 128, "l2": 1.0, "learning_rate": 5e-3, "dropout": 0.0,
}  # fmt: skip


def gain(root: Path, *, known: bool) -> Difference:
    """The AUC with the users' own synthetic items minus that with other users', over all draws."""
    areas = np.array([areas_of(root / str(seed), seed, known=known) for seed in range(DRAWS)])
    return paired_means(*areas.T, np.arange(DRAWS), seed=0)


def areas_of(folder: Path, seed: int, *, known: bool) -> list[float]:
    """The AUC with own and with other users' synthetic items in one draw."""
    world, areas = short_history_world(seed), []
    world.save_vectors(folder, known=known)
    test = click_instances(world.corpus, "test", 0)
    for name in ("synthetic", "permuted synthetic"):
        method = Genre(**SETTINGS, synthetic=(name,))
        model = fitted(method, world.corpus, folder, folder / f"model {name}")
        clicks = model.predict_click(test.histories, test.items)
        areas.append(float(auc(clicks, test.labels > 0)[0]))
    return areas


@pytest.mark.ladder
@pytest.mark.system("genre")
def test_synthetic_items_of_the_right_topic_help_short_histories(
    tmp_path: Path, check_planted: CheckPlanted
) -> None:
    check_planted(
        "with one event of history, a user's own synthetic item predicts better than another "
        f"user's, in the mean of {DRAWS} draws of the data",
        "AUC",
        planted=gain(tmp_path / "planted", known=True),
        null=gain(tmp_path / "null", known=False),
    )
