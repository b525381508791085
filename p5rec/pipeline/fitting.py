"""The stages that fit a method: a trial for each point of its grid, and the best one's model."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from p5rec.core.artefacts import Artefact, Lineage, Store, read_json, write_json
from p5rec.core.publishing import bring
from p5rec.core.types import Corpus
from p5rec.data.train_events import swapped
from p5rec.methods.base import VALIDATION, Method
from p5rec.methods.registry import METHODS

MODEL, TRIAL = "model", "trial.json"
KEPT = 2**26  # bytes of a trial's model that are worth keeping until the best is known


@dataclass(frozen=True)
class Fitted:
    """A method with its settings chosen, and its model.

    Attributes:
        method: the config that was fitted.
        made: the stage that fitted it.
        about: ``train_seconds`` (of all trials), and where settings were chosen ``tuned`` and
            ``configs_tried``.
    """

    method: Method
    made: Artefact
    about: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Where :meth:`p5rec.methods.base.Method.load` finds the model."""
        return self.made.path / MODEL


def fit_method(
    method: Method, corpus: Corpus, data: Artefact | str, store: Store, repeats: int = 1
) -> list[Fitted]:
    """The method fitted to the training events, once for each seed.

    Validation chooses under the first seed; the others fit what it chose. A method without draws is
    fitted once.
    """
    points, seed, known = method.points(), corpus.split.seed, corpus.interactions.event_keys
    if method.permute_histories:
        corpus = swapped(corpus, ["train"], seed)
    trials = _try(points, corpus, known, data, store) if len(points) > 1 else []
    values = [read_json(trial.path / TRIAL)["value"] for trial in trials] or [0.0]
    best = values.index(max(values))  # of equal ones the first
    chosen = points[best]

    def fitted(n: int) -> Fitted:
        tried = trials[best].path / MODEL if trials and not n else None
        made = store.stage(
            "fit",
            partial(_fit, chosen, corpus, known, seed + n, tried),
            config={**chosen.dump(), "seed": seed + n},
            code=(_fit, METHODS.target(method.kind), *chosen.code),
            inputs={"data": data},
        )
        spent = [trial.manifest["seconds"] for trial in trials if not n]
        about = {
            "train_seconds": round(sum(spent) or made.manifest["seconds"], 3),
            "tuned": chosen.describe(),
            "configs_tried": 1 if n else len(points),
        }
        return Fitted(chosen, made, about)

    return [fitted(n) for n in range(repeats if method.drawn else 1)]


def _try(
    points: Sequence[Method],
    corpus: Corpus,
    known: np.ndarray,
    data: Artefact | str,
    store: Store,
) -> list[Artefact]:
    """The trials of ``points``, a stage each."""
    quiet, seed, kind = store.quiet(), corpus.split.seed, points[0].kind
    work = (_trial, METHODS.target(kind), VALIDATION.target(points[0].capabilities[0]))
    with tqdm(
        points, desc=f"tune {kind}", unit="trial", leave=None, disable=bool(store.rank)
    ) as bar:
        return [
            quiet.stage(
                "trial",
                partial(_trial, point, corpus, known, seed),
                config={**point.dump(), "seed": seed},
                code=(*work, *point.code),
                inputs={"data": data},
            )
            for point in bar
        ]


def _trial(point: Method, corpus: Corpus, known: np.ndarray, seed: int, folder: Path) -> Lineage:
    """Fits ``point`` and measures it on validation; the model stays where it is small."""
    model = folder / MODEL
    lineage = _fit(point, corpus, known, seed, None, folder)
    value = VALIDATION.get(point.capabilities[0])(corpus)(point.load(model))
    write_json(folder / TRIAL, {"value": value})
    if sum(file.stat().st_size for file in model.rglob("*") if file.is_file()) > KEPT:
        shutil.rmtree(model)
    return lineage


def _fit(
    point: Method, corpus: Corpus, known: np.ndarray, seed: int, tried: Path | None, folder: Path
) -> Lineage:
    """The model of ``point``: that of its trial, where that kept it, or fitted now.

    Args:
        known: ``(E,)`` uint64, the keys of the events before any were swapped: what was seen is
            told by these.
    """
    model = folder / MODEL
    if tried is not None and tried.is_dir():
        bring(tried, model)
        return Lineage.read(tried.parent)
    model.mkdir()
    seen = point.fit(corpus, model, seed=seed, inputs={})
    return Lineage(known[seen.among(corpus.interactions.event_keys)])
