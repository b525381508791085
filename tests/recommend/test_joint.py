"""Several tasks are predicted from one encoding of a history as from separate prompts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_corpora import ITEMS, make_view
from tiny_models import llama, make_bundle, save_t5, scratch, some_codes

from p5rec.backbones.config import BackboneConfig
from p5rec.core.errors import UserError
from p5rec.data.split import histories_of
from p5rec.models.bundle import Bundle
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.pairs import PairPrompts
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.generative import GenerativeRecommender
from p5rec.recommend.joint import JointPredictor
from p5rec.recommend.pairs import PairExplainer, PairRater
from p5rec.recommend.prompt_predictions import encode_prompts
from p5rec.recommend.ratings import yes_probabilities
from p5rec.train.learner import LearnerConfig, settings_of, training_prompts

USERS, CHOSEN = np.array([3, 0, 3, 5, 0, 11]), np.array([1, 7, 20, 39, 2, 15])
DECODE = DecodeConfig(k=6, max_new_tokens=5, batch_tokens=150)
WHAT = ("ratings", "clicks", "explanations", "lists")


def bundle_of(*tasks: str, backbone: BackboneConfig | None = None) -> Bundle:
    """An untrained model for ``tasks`` with shared histories."""
    corpus = make_view().corpus
    config = LearnerConfig(
        backbone=backbone or scratch(items="positions"),
        train={"tasks": {name: {} for name in tasks}, "shared_history": {}, "max_tokens": 120},
    )
    settings = settings_of(config, corpus).dump() | {"window": 6}
    for name in ("backbone", "seed"):
        del settings[name]
    built = make_bundle(config.backbone, some_codes(ITEMS, (7, 8)), **settings)
    object.__setattr__(built, "prompts", training_prompts(config).subset_dump())
    return built.ready()


@pytest.mark.parametrize("name", ["positions", "tokens", "t5"])
@pytest.mark.parametrize("sequence", [True, False])
def test_predictions_equal_those_of_separate_prompts(
    sequence: bool, name: str, tmp_path: Path
) -> None:
    tasks = ["next-item", "rating", "sequential-yesno", "explanation"]
    network = llama(save_t5(tmp_path), items="positions") if name == "t5" else scratch(items=name)
    bundle = bundle_of(*tasks, *["rating-sequence"] * sequence, backbone=network)
    corpus = make_view().corpus
    found = JointPredictor(bundle, corpus, DECODE, WHAT)(USERS, CHOSEN)
    ratings = PairRater(bundle, corpus, DECODE)(USERS, CHOSEN)
    assert found["ratings"] == pytest.approx(ratings, abs=1e-4)
    assert found["explanations"] == PairExplainer(bundle, corpus, DECODE)(USERS, CHOSEN)
    library = PromptLibrary.from_dump(bundle.prompts)
    asked = PairPrompts(
        bundle.view(corpus), library, "sequential-yesno", config=bundle.settings.prompts,
        seed=corpus.split.seed,
    )  # fmt: skip
    prompts = encode_prompts(bundle, asked.examples(USERS, CHOSEN))
    assert found["clicks"] == pytest.approx(yes_probabilities(bundle, prompts, DECODE), abs=1e-5)
    assert np.std(ratings) > 1e-3
    recommender = GenerativeRecommender(bundle, DECODE, bundle.settings.tie_seed)
    lists = recommender.recommend(histories_of(corpus.interactions, USERS), DECODE.k).items
    assert found["lists"].tolist() == lists.tolist()


def test_data_without_ratings_and_no_pairs_at_all() -> None:
    bundle = bundle_of("next-item", "sequential-yesno", "explanation")
    corpus = make_view(ratings=False).corpus
    predict = JointPredictor(bundle, corpus, DECODE, ("clicks", "explanations"))
    assert bundle.settings.scale == ()
    assert np.std(predict(USERS, CHOSEN)["clicks"]) > 0
    assert predict(USERS[:0], CHOSEN[:0]) == {"clicks": [], "explanations": []}


def test_a_model_that_lacks_a_task() -> None:
    bundle = bundle_of("next-item", "rating")
    with pytest.raises(UserError, match="explanation"):
        JointPredictor(bundle, make_view().corpus, DECODE, ("ratings", "explanations"))
