"""The work of the stage that asks a trained model, and what it kept."""

from __future__ import annotations

from pathlib import Path

from p5rec.core.artefacts import write_json
from p5rec.core.progress import shown
from p5rec.core.types import Corpus
from p5rec.models.checkpoint import Bundle
from p5rec.tasks.predictions import Predictions, read_predictions

from .ask import ask, held_out_templates, task_of
from .config import DecodeConfig
from .generative import GenerativeRecommender
from .list_files import answer
from .serving import ServingConfig

ASKED = "asked-"


@shown()
def answer_model(
    bundle: Bundle,
    decode: DecodeConfig,
    serving: ServingConfig,
    corpus: Corpus,
    split_name: str,
    folder: Path,
) -> None:
    """A trained model's lists for ``part``, and what it says to prompted questions.

    Args:
        bundle: ready to answer.
        decode: how lists are searched for.
        serving: what it is asked; of the questions, those that the model was taught are put.
    """
    taught, families, seed = set(bundle.settings.tasks), serving.prompts, serving.seed
    if "next-item" in taught:
        recommender = GenerativeRecommender(bundle, decode, bundle.settings.tie_seed)
        answer(
            recommender,
            corpus,
            split_name,
            serving.k,
            folder,
            {},
            exclude_seen=serving.exclude_seen,
        )
    view = bundle.view(corpus)
    asked_about = sorted(families.keys() & taught)
    tasks = {family: task_of(bundle, family) for family in asked_about}
    for family in asked_about:
        form = family if list(tasks.values()).count(tasks[family]) > 1 else ""
        asked = ask(bundle, view, family, split_name, families[family], decode, seed)
        asked = asked.model_copy(update={"form": form})
        write_json(folder / f"{ASKED}{family}.json", asked.dump())
    for family in (
        held_out_templates(bundle, view, asked_about) if serving.held_out_templates else ()
    ):
        asked = ask(bundle, view, family, split_name, families[family], decode, seed, unseen=True)
        write_json(folder / f"{ASKED}{family}.unseen.json", asked.dump())


def read_asked(folder: Path) -> list[Predictions]:
    """The prompted answers that :func:`answer_model` kept."""
    return [read_predictions(path) for path in sorted(folder.glob(f"{ASKED}*.json"))]
