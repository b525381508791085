"""A quantised language model trains like a bfloat16 one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_runs import curve
from test_synthetic_training import IDS, SETTINGS, corpus_of
from tiny_models import llama, save_llama

from p5rec.backbones.config import BackboneConfig, LoraSettings
from p5rec.core.item_codes import ItemCodes
from p5rec.core.types import Corpus
from p5rec.data.split import instances
from p5rec.ids.base import fit
from p5rec.models.bundle import Bundle
from p5rec.models.checkpoint import load_bundle
from p5rec.recommend.generative import GenerativeRecommender
from p5rec.train.training import train


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return corpus_of("markov")


@pytest.fixture(scope="module")
def codes(corpus: Corpus) -> ItemCodes:
    return fit(IDS, corpus).codes


def learn(
    backbone: BackboneConfig, corpus: Corpus, codes: ItemCodes, folder: Path, steps: int = 120
) -> tuple[Bundle, list[float], float]:
    """The model, its losses, and the share of users whose target it ranks first."""
    settings = SETTINGS.train.model_copy(
        update={"steps": steps, "log_every": 1, "precision": "bfloat16"}
    )
    method = SETTINGS.model_copy(update={"backbone": backbone, "train": settings})
    train(method, corpus, codes, folder)
    bundle = load_bundle(folder)
    histories, targets, _ = instances(corpus.interactions, corpus.split, "test")
    lists = GenerativeRecommender(bundle.ready(), SETTINGS.decode).recommend(histories, 5)
    return bundle, curve(folder, "loss")["loss"], float((lists.items[:, 0] == targets).mean())


@pytest.fixture(scope="module")
def base(corpus: Corpus, codes: ItemCodes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama with trained blocks, without the item tokens of that training."""
    folder = tmp_path_factory.mktemp("base")
    raw = llama(save_llama(folder / "raw"))
    model = learn(raw, corpus, codes, folder / "run", steps=40)[0].model.causal
    model.set_input_embeddings(model.get_input_embeddings().old)
    model.set_output_embeddings(model.get_output_embeddings().old)
    model.config.vocab_size = model.get_input_embeddings().num_embeddings
    model.save_pretrained(folder / "raw")
    return folder / "raw"


@pytest.mark.nightly
def test_4_and_8_bits_end_within_a_tenth_of_16(
    base: Path, corpus: Corpus, codes: ItemCodes, tmp_path: Path
) -> None:
    losses, accuracy = {}, {}
    for bits in (None, "4bit", "8bit"):
        backbone = llama(base, lora=True, quantize=bits).model_copy(
            update={"dtype": "bfloat16", "lora": LoraSettings(rank=8)}
        )
        _, curve, accuracy[bits] = learn(backbone, corpus, codes, tmp_path / str(bits))
        losses[bits] = float(np.mean(curve[-20:]))
        assert losses[bits] < 0.6 * curve[0]
    assert accuracy[None] > 0.4
    for bits in ("4bit", "8bit"):
        assert losses[bits] == pytest.approx(losses[None], rel=0.1)
        assert accuracy[bits] == pytest.approx(accuracy[None], rel=0.1)
        assert losses[bits] != losses[None]
