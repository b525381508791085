"""CTRL on the planted world: a word shared by rare items decides the click, or does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from topic_world import fitted_auc, save_word_encoder, topic_world

pytestmark = pytest.mark.ladder
TEMPLATE = "an item, title is {title}"
BASE = {"kind": "autoint", "epochs": 40}
ALIGNMENT = {"epochs": 10, "batch": 256, "learning_rate": 5e-3, "text_learning_rate": 1e-3}
MARGIN = 0.02  # AUC


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return save_word_encoder(tmp_path_factory.mktemp("encoder"))


def test_aligned_titles_help_where_a_word_decides(encoder: Path, tmp_path: Path) -> None:
    gain, control = _gains(encoder, tmp_path, planted=True)
    assert gain > MARGIN
    assert gain - control > MARGIN


def test_they_do_not_help_where_words_are_random(encoder: Path, tmp_path: Path) -> None:
    gain, control = _gains(encoder, tmp_path, planted=False)
    assert gain < MARGIN
    assert gain - control < MARGIN


def _gains(encoder: Path, root: Path, *, planted: bool) -> tuple[float, float]:
    """The AUC of CTRL and of its permuted control, each minus that of the click model alone.

    The click model alone may train as many epochs more as the alignment has.
    """
    corpus = topic_world(planted=planted)
    epochs = BASE["epochs"] + ALIGNMENT["epochs"]
    base = fitted_auc({**BASE, "epochs": epochs}, corpus, root)
    texts = {"encoder": str(encoder), "template": TEMPLATE}

    def ctrl(**changes: Any) -> float:
        section = {"kind": "ctrl", "base": BASE, "texts": texts}
        return fitted_auc({**section, "alignment": {**ALIGNMENT, **changes}}, corpus, root)

    return ctrl() - base, ctrl(permuted=True) - base
