"""CTRL finds that a word in the titles of rare items decides the click."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ladder_records import CheckPlanted
from topic_world import area_of, save_word_encoder, topic_world

from p5rec.core.types import Corpus
from p5rec.metrics.intervals import Difference, Statistic, paired

BASE = {"kind": "autoint", "epochs": 40, "patience": 12, "l2": 20}
ALIGNMENT = {"epochs": 10, "batch": 256, "learning_rate": 5e-3, "text_learning_rate": 1e-3}
ALONE = {**BASE, "epochs": 50}  # the alignment takes about as many steps as 10 epochs


@pytest.mark.ladder
@pytest.mark.system("ctrl")
def test_aligned_texts_help_rare_items(tmp_path: Path, check_planted: CheckPlanted) -> None:
    torch.manual_seed(0)
    save_word_encoder(tmp_path / "encoder")
    planted, null = (topic_world(planted=each) for each in (True, False))
    aligned, permuted = (_ctrl(planted, tmp_path, permuted=each) for each in (False, True))
    assert _difference(planted, aligned, permuted).low > 0
    check_planted(
        "a click model aligned with texts beats the click model alone at equal steps",
        "AUC",
        planted=_difference(planted, aligned, area_of(ALONE, planted, tmp_path)),
        null=_difference(null, _ctrl(null, tmp_path), area_of(ALONE, null, tmp_path)),
    )


def _ctrl(corpus: Corpus, root: Path, *, permuted: bool = False) -> Statistic:
    texts = {"encoder": str(root / "encoder"), "template": "an item, title is {title}"}
    alignment = {**ALIGNMENT, "permuted": permuted}
    section = {"kind": "ctrl", "base": BASE, "texts": texts, "alignment": alignment}
    return area_of(section, corpus, root)


def _difference(corpus: Corpus, one: Statistic, other: Statistic) -> Difference:
    return paired(one, other, corpus.interactions.users[corpus.split.mask("test")], seed=0)[0]
