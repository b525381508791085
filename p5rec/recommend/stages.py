"""Asking a method once and keeping what it said: the lists behind every ranking figure."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from p5rec.core.artefacts import Artefact, Lineage, Store, read_json, write_json
from p5rec.core.types import PARTS, Corpus, RankedLists
from p5rec.data.split import cases
from p5rec.data.swap import swapped
from p5rec.models.checkpoint import Bundle, load_bundle

from .ask import FamilyAnswers, ask, task_of, unseen_wordings
from .baselines.registry import RECOMMENDERS
from .baselines.tune import by_ranking, tune
from .config import DecodeConfig
from .generative import GenerativeRecommender
from .protocols import Recommender

LISTS, ABOUT, ASKED = "lists.safetensors", "about.json", "asked-"


def answer(
    recommender: Recommender,
    corpus: Corpus,
    part: str,
    k: int,
    folder: Path,
    about: dict[str, Any],
    *,
    exclude_seen: bool = True,
) -> None:
    """Lists for every user with a target in ``part`` into ``folder``."""
    histories, _, _ = cases(corpus.interactions, corpus.split, part)
    started = time.perf_counter()
    lists = recommender.recommend(histories, k, exclude_seen=exclude_seen)
    about = {**about, "infer_seconds": round(time.perf_counter() - started, 3)}
    tensors = {"users": lists.users, "items": lists.items, "scores": lists.scores}
    save_file({n: np.ascontiguousarray(t) for n, t in tensors.items()}, folder / LISTS)
    write_json(folder / ABOUT, about)


def answer_baseline(
    name: str,
    corpus: Corpus,
    part: str,
    k: int,
    folder: Path,
    *,
    exclude_seen: bool = True,
    run: int = 0,
    tuned: Path | None = None,
) -> Lineage:
    """Fits a baseline on training events, tunes it on validation, and keeps its lists.

    It is tuned on lists without seen items in any case.

    Args:
        run: added to the seed of every draw of the fit.
        tuned: the folder of an earlier run, whose config is fitted in place of tuning once more.
    """
    baseline = RECOMMENDERS.get(name)
    events, split = corpus.interactions, corpus.split
    split = replace(split, seed=split.seed + run)
    started = time.perf_counter()
    if tuned is None:
        histories, targets, _ = cases(events, split, "valid")
        found = tune(baseline, events, split, by_ranking(histories, targets))
        model, config, tried = found.model, found.best.config, len(found.trials)
    else:
        config = type(baseline.default)(**read_json(tuned / ABOUT)["tuned"])
        model, tried = baseline.fit(events, split, config), 1
    about = {
        "train_seconds": round(time.perf_counter() - started, 3),
        "tuned": config.dump(),
        "configs_tried": tried,
    }
    answer(model, corpus, part, k, folder, about, exclude_seen=exclude_seen)
    lineage: Lineage = model.lineage
    return lineage


def ask_baseline(
    name: str,
    corpus: Corpus,
    data: Artefact,
    k: int,
    store: Store,
    part: str = "test",
    *,
    exclude_seen: bool = True,
    repeats: int = 1,
) -> list[Artefact]:
    """The stages of a baseline: its lists for the users of a held-out part, one a run.

    Args:
        repeats: runs, where fits hang on draws: the first is tuned, the others fit what it chose
            under seeds of their own. A baseline without draws answers once.
    """

    def run(n: int, earlier: Mapping[str, Artefact]) -> Artefact:
        tuned = earlier["tuned"].path if earlier else None
        return store.stage(
            "baseline",
            lambda folder: answer_baseline(
                name, corpus, part, k, folder, exclude_seen=exclude_seen, run=n, tuned=tuned
            ),
            config={"name": name, "k": k, "part": part, "exclude_seen": exclude_seen, "run": n},
            code=("core", "data", "metrics", "models", "recommend"),
            inputs={"data": data, **earlier},
        )

    first = run(0, {})
    again = range(1, repeats) if RECOMMENDERS.get(name).drawn else ()
    return [first, *(run(n, {"tuned": first}) for n in again)]


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


def ask_model(
    name: str,
    decode: DecodeConfig,
    corpus: Corpus,
    data: Artefact,
    model: Artefact,
    store: Store,
    *,
    k: int,
    families: Mapping[str, int],
    seed: int,
    part: str = "test",
    unseen: bool = False,
    exclude_seen: bool = True,
) -> Artefact:
    """The stage of a trained model: its answers for a held-out part (see :func:`answer_model`)."""
    settings: dict[str, Any] = {
        "k": k, "families": dict(families), "seed": seed, "unseen": unseen,
        "exclude_seen": exclude_seen,
    }  # fmt: skip

    def make(folder: Path) -> Lineage:
        bundle = load_bundle(model.path / "bundle", download=True).ready(decode.precision)
        answer_model(name, bundle, decode, corpus, part, folder, **settings)
        return Lineage.none()

    return store.stage(
        "answers",
        make,
        config={"decode": decode.dump(), "part": part, **settings},
        code=("core", "data", "prompting", "decode", "models", "recommend"),
        inputs={"data": data, "model": model},
    )


def read_asked(folder: Path) -> list[FamilyAnswers]:
    """The prompted answers that :func:`ask_model` kept."""
    return [FamilyAnswers(**read_json(p)) for p in sorted(folder.glob(f"{ASKED}*.json"))]


def read_lists(folder: Path) -> RankedLists:
    """The lists that :func:`answer` kept."""
    tensors = load_file(folder / LISTS)
    return RankedLists(tensors["users"], tensors["items"], tensors["scores"])
