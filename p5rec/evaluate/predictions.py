"""The predictions of a run's methods → their metrics, and sampled predictions for the report."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from p5rec.core.artefacts import Artefact, read_json
from p5rec.core.types import Corpus, RankedLists
from p5rec.data.split import each_target, instances
from p5rec.ids.files import load_codes
from p5rec.ids.tokens import item_strings
from p5rec.methods.base import Method
from p5rec.methods.fitted import Fitted
from p5rec.recommend.list_files import ABOUT, LISTS, read_lists
from p5rec.recommend.model_predictions import read_prompted
from p5rec.tasks.item_names import ItemNames
from p5rec.tasks.predictions import RankedItems
from p5rec.tasks.view import CorpusView, unnamed_view

from .config import RANKED_LISTS, entry_name
from .cost import FACTS, training_facts
from .families import Reference, measure_predictions, measure_reference
from .measure import ranking
from .measured import COUNTS, Measured, average
from .samples import family_samples, list_samples
from .schema import Sample, SplitName

BLIND = ("unseen-item",)  # slices of methods that use no item content
Repeated = Mapping[str, Sequence[Artefact]]  # by name, one for each seed


@dataclass(frozen=True)
class MethodPredictions:
    """A method's predictions on a held-out split.

    Attributes:
        name: the method's name in reports.
        folder: its predictions (see ``p5rec.recommend.model_predictions``).
        method: its config.
        codes: the folder of its semantic ids; None where it has none.
        about: facts for the report beside the metrics; ``train_seconds`` is one of them.
    """

    name: str
    folder: Path
    method: Method
    codes: Path | None
    about: Mapping[str, Any]

    @property
    def prompt_facts(self) -> set[str]:
        """The keys of ``about`` that entries of prompted tasks hold."""
        return {*FACTS} if self.method.prompted else {*self.about} - {"train_seconds"}

    @property
    def unsupported(self) -> tuple[str, ...]:
        """Slices for which the method cannot predict."""
        return () if self.method.content_based else BLIND


@dataclass(frozen=True)
class Outputs:
    """The outputs of a run's stages.

    Attributes:
        ids: semantic ids by name, one for each seed.
        fitted: fitted methods by name, one for each seed.
        predictions: by held-out split and method, one for each seed.
        references: the reference baselines of each split.
    """

    ids: Repeated
    fitted: Mapping[str, Sequence[Fitted]]
    predictions: Mapping[SplitName, Repeated]
    references: Mapping[SplitName, Sequence[Reference]]

    def named(self) -> Iterator[tuple[str, Artefact]]:
        """Every artefact with a unique name."""
        models = {name: [run.fit_stage for run in runs] for name, runs in self.fitted.items()}
        kinds = [("ids", self.ids), ("model", models), *self.predictions.items()]
        for kind, artefacts in kinds:
            for name, runs in artefacts.items():
                for n, artefact in enumerate(runs):
                    yield f"{kind} {name} {n}", artefact
        for split_name, references in self.references.items():
            for n, reference in enumerate(references):
                yield f"reference {split_name} {n}", reference.artefact

    def of_method(self, name: str, split_name: SplitName) -> list[MethodPredictions]:
        """A method's predictions on ``split_name``, one for each seed."""
        methods = {name: runs[0].method for name, runs in self.fitted.items()}
        facts = training_facts(name, methods) if methods[name].prompted else {}
        artefacts = self.predictions[split_name][name]
        return [
            MethodPredictions(name, artefact.path, run.method, run.codes, {**run.about, **facts})
            for artefact, run in zip(artefacts, self.fitted[name], strict=True)
        ]


def measure_run(cfg: Any, corpus: Corpus, outputs: Outputs) -> tuple[list[Measured], list[Sample]]:
    """The metrics of every method and baseline, means over the seeds, and the samples.

    Args:
        cfg: the recipe's config.
        corpus: the data set with the targets.
        outputs: of the run; samples come from the last split and the first seed.
    """
    measured: list[Measured] = []
    samples: list[Sample] = []
    view = unnamed_view(corpus)
    for split_name, methods in outputs.predictions.items():
        for name in methods:
            entries, sampled = _of_method(cfg, name, split_name, corpus, outputs)
            measured += entries
            samples += sampled if split_name == cfg.evaluate.splits[-1] else []
        run = {"split": split_name, "seed": cfg.seed}
        measured += [measure_reference(each, view, run) for each in outputs.references[split_name]]
        by_method = {name: outputs.of_method(name, split_name) for name in methods}
        measured += list_references(by_method, corpus, split_name, cfg.seed)
    return measured, samples


def _of_method(
    cfg: Any, name: str, split_name: SplitName, corpus: Corpus, outputs: Outputs
) -> tuple[list[Measured], list[Sample]]:
    """A method's metrics, means over its runs, and the first run's samples."""
    by_run: list[list[Measured]] = []
    samples: list[Sample] = []
    for nth, predictions in enumerate(outputs.of_method(name, split_name)):
        count = 0 if nth else cfg.evaluate.samples
        entries, sampled = measure_method(
            predictions, corpus, split_name, seed=cfg.seed, samples=count
        )
        by_run.append(entries)
        samples += sampled
    return [average(runs, cfg.seed) for runs in zip(*by_run, strict=True)], samples


def measure_method(
    method: MethodPredictions, corpus: Corpus, split_name: SplitName, *, seed: int, samples: int
) -> tuple[list[Measured], list[Sample]]:
    """The metrics of a method's predictions, and a sample of the predictions.

    Args:
        method: its predictions.
        corpus: the data set with the targets.
        split_name: the split of the predictions.
        seed: seed of the bootstrap and of the samples.
        samples: number of sampled predictions of each kind.
    """
    name, folder, about = method.name, method.folder, method.about
    measured, sampled = [], []
    if (folder / LISTS).is_file():
        lists = read_lists(folder)
        facts = {**about, **read_json(folder / ABOUT)}
        measured.append(
            measure_lists(name, lists, corpus, facts, seed, split_name, method.unsupported)
        )
        if method.codes is not None:
            sampled += list_samples(name, lists, corpus, samples, seed, split_name)
    view = _view(corpus, method.codes)
    facts = {key: value for key, value in about.items() if key in method.prompt_facts}
    spent = {"train_seconds": about.get("train_seconds", 0.0), "about": facts}
    for predictions in read_prompted(folder):
        measured += measure_predictions(
            name, predictions, view, {"split": split_name, "seed": seed, **spent}
        )
        sampled += family_samples(name, predictions, view, samples, seed) if method.codes else []
    return measured, sampled


def _view(corpus: Corpus, codes: Path | None) -> CorpusView:
    """A view of ``corpus`` whose items have the names that ``codes`` define."""
    if codes is None:
        return unnamed_view(corpus)
    return CorpusView(corpus, ItemNames(item_strings(load_codes(codes)), corpus.catalog.titles))


def measure_lists(
    name: str,
    lists: RankedLists,
    corpus: Corpus,
    about: Mapping[str, Any],
    seed: int,
    split_name: SplitName = "test",
    unsupported: Collection[str] = (),
) -> Measured:
    """The metrics of a method's ranked lists on the targets of ``split_name``."""
    histories, targets, events = instances(corpus.interactions, corpus.split, split_name)
    if not np.array_equal(histories.users, lists.users):
        raise ValueError(
            f"{name}: ranked lists for other users than those of the {split_name} split"
        )
    counted = {name: about[name] for name in COUNTS if name in about}
    facts = {k: v for k, v in about.items() if not k.endswith("_seconds") and k not in counted}
    return ranking(
        name,
        lists,
        targets,
        corpus,
        unsupported=unsupported,
        events=events,
        split=split_name,
        seed=seed,
        train_seconds=about.get("train_seconds", 0.0),
        infer_seconds=about.get("infer_seconds", 0.0),
        counts=counted,
        about=facts,
    )


def list_references(
    by_method: Mapping[str, Sequence[MethodPredictions]],
    corpus: Corpus,
    split_name: SplitName,
    seed: int,
) -> list[Measured]:
    """Entries of ranked lists on the users of prompted tasks that rank the same targets.

    A method that has prompted predictions and ranked lists gets a second entry, ``name (lists)``.

    Args:
        by_method: predictions by method, one for each seed.
        corpus: the data set with the targets.
        split_name: the split of the predictions.
        seed: seed of the bootstrap.
    """
    _, _, events = instances(corpus.interactions, corpus.split, split_name)
    requests, events = each_target(events)
    targets = corpus.interactions.items[events]
    prompted = {
        name: {
            p.task: p
            for p in read_prompted(runs[0].folder)
            if isinstance(p, RankedItems) and not p.held_out
        }
        for name, runs in by_method.items()
    }
    measured = []
    for task, ranked in {t: p for own in prompted.values() for t, p in own.items()}.items():
        rows = np.flatnonzero(np.isin(events, ranked.events))
        if len(rows) < len(ranked.events):
            continue
        for name, runs in by_method.items():
            entry = entry_name(name, RANKED_LISTS if task in prompted[name] else "")
            by_run = []
            for run in runs if (runs[0].folder / LISTS).is_file() else ():
                about = {**run.about, **read_json(run.folder / ABOUT)}
                seconds = about["infer_seconds"] * len(rows) / (requests[-1] + 1)
                by_run.append(
                    ranking(
                        entry, read_lists(run.folder).take(requests[rows]), targets[rows],
                        corpus, task=task, split=split_name, seed=seed, infer_seconds=seconds,
                        train_seconds=about["train_seconds"], events=events[rows],
                        unsupported=run.unsupported,
                        about={key: about[key] for key in FACTS if key in about},
                    )
                )  # fmt: skip
            measured += [average(by_run, seed)] if by_run else []
    return measured
