"""The work of the stage that asks a trained model, and what it kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from p5rec.core.artefacts import Lineage, read_json, write_json
from p5rec.core.types import PARTS, Corpus
from p5rec.data.swap import swapped
from p5rec.models.checkpoint import Bundle, load_bundle

from .ask import FamilyAnswers, ask, task_of, unseen_wordings
from .config import DecodeConfig
from .generative import GenerativeRecommender
from .list_files import answer

ASKED = "asked-"


def answer_model(
    name: str,
    bundle: Bundle,
    decode: DecodeConfig,
    corpus: Corpus,
    part: str,
    folder: Path,
    *,
    k: int,
    families: Mapping[str, int],
    seed: int,
    unseen: bool = False,
    exclude_seen: bool = True,
) -> None:
    """A trained model's lists for ``part``, and what it says to prompted questions.

    Args:
        bundle: ready to answer.
        k: length of the lists.
        families: prompt family → questions to put, where the model was taught it.
        seed: of the choice of questions.
        unseen: put each question in a wording that no training row had, too.
        exclude_seen: leave the items of a history out of its list.
    """
    taught = set(bundle.settings.tasks)
    if bundle.settings.swapped:
        before = [name for name, number in PARTS.items() if number < PARTS[part]]
        corpus = swapped(corpus, before, bundle.settings.seed)
    if "dense" in taught:
        recommender = GenerativeRecommender(bundle, decode, name, corpus.split.seed)
        answer(recommender, corpus, part, k, folder, {}, exclude_seen=exclude_seen)
    view = bundle.view(corpus)
    asked_about = sorted(families.keys() & taught)
    tasks = {family: task_of(bundle, family) for family in asked_about}
    for family in asked_about:
        form = family if list(tasks.values()).count(tasks[family]) > 1 else ""
        asked = ask(bundle, view, family, part, families[family], decode, seed, form)
        write_json(folder / f"{ASKED}{family}.json", asked.dump())
    for family in unseen_wordings(bundle, view, asked_about) if unseen else ():
        asked = ask(bundle, view, family, part, families[family], decode, seed, unseen=True)
        write_json(folder / f"{ASKED}{family}.unseen.json", asked.dump())


def answer_bundle(
    name: str,
    bundle: Path,
    decode: DecodeConfig,
    corpus: Corpus,
    part: str,
    settings: Mapping[str, Any],
    folder: Path,
) -> Lineage:
    """:func:`answer_model` of the model in ``bundle``, with further ``settings`` of its own."""
    ready = load_bundle(bundle).ready(decode.precision)
    answer_model(name, ready, decode, corpus, part, folder, **settings)
    return Lineage.none()


def read_asked(folder: Path) -> list[FamilyAnswers]:
    """The prompted answers that :func:`answer_model` kept."""
    return [FamilyAnswers(**read_json(p)) for p in sorted(folder.glob(f"{ASKED}*.json"))]
