"""CTRL finds that a word in the titles of rare items decides the click."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ladder_records import CheckPlanted
from topic_world import area_of, save_word_encoder, topic_world

from p5rec.metrics.intervals import Difference, paired

CTRL = {
    "kind": "ctrl",
    "base": {"kind": "autoint", "epochs": 40, "patience": 12, "l2": 20},
    "texts": {"template": "an item, title is {title}"},
    "alignment": {"epochs": 10, "batch": 256, "learning_rate": 5e-3, "text_learning_rate": 1e-3},
}


@pytest.mark.ladder
@pytest.mark.system("ctrl")
def test_aligned_texts_beat_permuted_texts(tmp_path: Path, check_planted: CheckPlanted) -> None:
    torch.manual_seed(0)
    encoder = save_word_encoder(tmp_path / "encoder")
    planted, null = (_difference(encoder, tmp_path, planted=each) for each in (True, False))
    check_planted(
        "alignment with the texts of rows beats alignment with permuted texts",
        "AUC", planted=planted, null=null,
    )  # fmt: skip


def _difference(encoder: Path, root: Path, *, planted: bool) -> Difference:
    corpus = topic_world(planted=planted)

    def area(**changes: Any) -> Any:
        texts = {**CTRL["texts"], "encoder": str(encoder)}
        section = {**CTRL, "texts": texts, "alignment": {**CTRL["alignment"], **changes}}
        return area_of(section, corpus, root)

    users = corpus.interactions.users[corpus.split.mask("test")].astype(np.int64)
    return paired(area(), area(permuted=True), users, seed=0)[0]
