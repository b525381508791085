"""The work of the stage that asks a trained model, and what it kept."""

from __future__ import annotations

from pathlib import Path

from p5rec.core.artefacts import Lineage, write_json
from p5rec.core.progress import shown
from p5rec.core.types import PARTS, Corpus
from p5rec.data.train_events import swapped
from p5rec.models.checkpoint import Bundle, load_bundle
from p5rec.tasks.predictions import Predictions, read_predictions

from .ask import ask, task_of, unseen_wordings
from .generative import GenerativeRecommender
from .list_files import answer
from .serving import ServingConfig

ASKED = "asked-"


@shown()
def answer_model(
    name: str, bundle: Bundle, serving: ServingConfig, corpus: Corpus, part: str, folder: Path
) -> None:
    """A trained model's lists for ``part``, and what it says to prompted questions.

    Args:
        bundle: ready to answer.
        serving: how it is asked; of the questions, those that the model was taught are put.
    """
    taught = set(bundle.settings.tasks)
    if bundle.settings.swapped:
        before = [name for name, number in PARTS.items() if number < PARTS[part]]
        corpus = swapped(corpus, before, bundle.settings.seed)
    decode, families, seed = serving.decode, serving.questions, serving.seed
    if "dense" in taught:
        recommender = GenerativeRecommender(bundle, decode, name, serving.tie_seed)
        answer(recommender, corpus, part, serving.k, folder, {}, exclude_seen=serving.exclude_seen)
    view = bundle.view(corpus)
    asked_about = sorted(families.keys() & taught)
    tasks = {family: task_of(bundle, family) for family in asked_about}
    for family in asked_about:
        form = family if list(tasks.values()).count(tasks[family]) > 1 else ""
        asked = ask(bundle, view, family, part, families[family], decode, seed)
        asked = asked.model_copy(update={"form": form})
        write_json(folder / f"{ASKED}{family}.json", asked.dump())
    for family in unseen_wordings(bundle, view, asked_about) if serving.unseen else ():
        asked = ask(bundle, view, family, part, families[family], decode, seed, unseen=True)
        write_json(folder / f"{ASKED}{family}.unseen.json", asked.dump())


def answer_bundle(
    name: str,
    bundle: Path,
    linear: Path | None,
    serving: ServingConfig,
    corpus: Corpus,
    part: str,
    folder: Path,
) -> Lineage:
    """:func:`answer_model` of the model in ``bundle``, with the file of its linear part beside."""
    ready = load_bundle(bundle, linear=linear, download=True).ready(serving.decode.precision)
    answer_model(name, ready, serving, corpus, part, folder)
    return Lineage.none()


def read_asked(folder: Path) -> list[Predictions]:
    """The prompted answers that :func:`answer_model` kept."""
    return [read_predictions(path) for path in sorted(folder.glob(f"{ASKED}*.json"))]
