"""A trained model's predictions for a split as files: the work of a pipeline stage."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from p5rec.core.artefacts import write_json
from p5rec.core.types import Corpus
from p5rec.models.bundle import Bundle
from p5rec.tasks.predictions import Predictions, read_predictions

from .config import DecodeConfig
from .family_predictions import held_out_templates, predict_family
from .generative import GenerativeRecommender
from .list_files import write_recommendations
from .serving import ServingConfig

PROMPTED = "prompted-"


def predict_model(
    bundle: Bundle,
    decode: DecodeConfig,
    serving: ServingConfig,
    corpus: Corpus,
    split_name: str,
    folder: Path,
) -> None:
    """Writes a trained model's recommendations and its predictions for prompts into ``folder``.

    Args:
        bundle: ready to predict.
        decode: how ranked lists are decoded.
        serving: the prompt families; those that the model was not trained on are left out.
        corpus: the data.
        split_name: ``valid`` or ``test``.
        folder: receives the files.
    """
    trained, families, seed = set(bundle.settings.tasks), serving.prompts, serving.seed
    if "next-item" in trained and serving.lists:
        recommender = GenerativeRecommender(bundle, decode, bundle.settings.tie_seed)
        write_recommendations(
            recommender,
            corpus,
            split_name,
            serving.k,
            folder,
            {},
            exclude_seen=serving.exclude_seen,
        )
    view = bundle.view(corpus)
    queried = sorted(families.keys() & trained)
    held_out = held_out_templates(bundle, view, queried) if serving.held_out_templates else []
    predicted = {
        f"{PROMPTED}{family}{'.held_out' * unseen}.json": predict_family(
            bundle, view, family, split_name, families[family], decode, seed, held_out=unseen
        )
        for unseen, names in ((False, queried), (True, held_out))
        for family in names
    }
    counts = Counter(predictions.task for predictions in predicted.values())
    for name, predictions in predicted.items():
        form = predictions.family if counts[predictions.task] > 1 else ""
        write_json(folder / name, predictions.model_copy(update={"form": form}).dump())


def read_prompted(folder: Path) -> list[Predictions]:
    """The predictions for prompts that :func:`predict_model` wrote."""
    return [read_predictions(path) for path in sorted(folder.glob(f"{PROMPTED}*.json"))]
