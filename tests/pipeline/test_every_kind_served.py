"""Every kind of method works with permuted histories, over seeds, and from a copied folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from method_kinds import BASELINES, baseline_of, generative, sample_fits

from p5rec.methods.base import LISTS, Method
from p5rec.methods.folder import read_method
from p5rec.methods.predicting import predict
from p5rec.pipeline.predictions import predict_fitted
from p5rec.recommend import list_files
from p5rec.recommend.model_predictions import read_prompted
from p5rec.recommend.serving import ServingConfig

KINDS = {
    **{kind: baseline_of(kind, permute_histories=True) for kind in BASELINES},
    "generative": generative("next-item", "rating", permute_histories=True),
}
TIMES = {"seconds": 0.0}


def predictions_in(folder: Path) -> list[Any]:
    """The lists and predictions in ``folder``, without their times."""
    predictions: list[Any] = [each.model_copy(update=TIMES) for each in read_prompted(folder)]
    if (folder / list_files.LISTS).is_file():
        lists = list_files.read_lists(folder)
        predictions += [lists.users.tolist(), lists.items.tolist(), lists.scores.tobytes()]
    return predictions


@pytest.mark.parametrize("method", KINDS.values(), ids=KINDS)
def test_predictions_of_a_copied_folder_are_equal(method: Method, tmp_path: Path) -> None:
    fits = sample_fits(tmp_path / "store")
    corpus, runs = fits.prepared.corpus, fits.fit_seeds(method, 2)
    assert len(runs) == 1 + method.stochastic
    assert len({run.seed for run in runs}) == len(runs)
    train = corpus.interactions.event_keys[corpus.split.mask("train")]
    prompts = {task: 3 for task in method.tasks if task != "next-item"}
    for n, run in enumerate(runs):
        assert set(run.fit_stage.lineage.events) <= set(train)
        serving = ServingConfig(k=3, prompts=prompts, fit_seed=run.seed)
        stage = predict_fitted(run, serving, fits.prepared, "test")
        shutil.copytree(run.folder, tmp_path / f"copy {n}")
        served = read_method(tmp_path / f"copy {n}")
        assert served == run.method
        (tmp_path / f"served {n}").mkdir()
        model = served.open_predictor(tmp_path / f"copy {n}")
        predict(served, model, serving, corpus, "test", tmp_path / f"served {n}")
        expected = predictions_in(stage.path)
        assert expected
        assert predictions_in(tmp_path / f"served {n}") == expected
        assert (stage.path / list_files.LISTS).is_file() == (LISTS in method.capabilities)
    if len(runs) > 1:
        assert len({run.fit_stage.key for run in runs}) == 2


def test_permuted_histories_change_predictions(tmp_path: Path) -> None:
    fits = sample_fits(tmp_path / "store")
    kinds = ("item-knn", "ease", "item-to-item")
    for kind in kinds:
        lists = []
        for permuted in (False, True):
            run = fits.fit(baseline_of(kind, permute_histories=permuted))
            serving = ServingConfig(k=3, fit_seed=run.seed)
            lists.append(
                list_files.read_lists(predict_fitted(run, serving, fits.prepared, "test").path)
            )
        assert not np.array_equal(lists[0].scores, lists[1].scores)
