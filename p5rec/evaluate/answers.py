"""What the methods of a run answered → their numbers, and some answers to look at."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from p5rec.core.artefacts import Artefact, read_json
from p5rec.core.types import Corpus, RankedLists
from p5rec.data.split import cases, each_target
from p5rec.ids.files import load_codes
from p5rec.ids.tokens import item_strings
from p5rec.methods.base import Method
from p5rec.methods.fitted import Fitted
from p5rec.recommend.list_files import ABOUT, LISTS, read_lists
from p5rec.recommend.model_answers import read_asked
from p5rec.tasks.predictions import RankedItems
from p5rec.tasks.view import CorpusView, ItemNames, unnamed_view

from .families import Reference, measure_predictions, measure_reference
from .footing import LEARNED, learned_facts
from .measure import ranking
from .measured import Measured, average
from .samples import family_samples, list_samples
from .schema import Sample, SplitName

BLIND = ("unseen-item",)  # of baselines, which know an item by its training events alone
Repeated = Mapping[str, Sequence[Artefact]]  # by name, one a seed


@dataclass(frozen=True)
class Answered:
    """What a method answered about a held-out part.

    Attributes:
        name: the method, as reports call it.
        folder: its answers (see ``p5rec.recommend.model_answers``).
        method: its config.
        codes: the folder of its semantic ids; None: it has none, and answers in lists alone.
        about: what a report keeps beside the numbers; ``train_seconds`` is one of them.
    """

    name: str
    folder: Path
    method: Method
    codes: Path | None
    about: Mapping[str, Any]

    @property
    def told(self) -> set[str]:
        """The facts that entries of questions keep."""
        return {*LEARNED} if self.method.prompted else {*self.about} - {"train_seconds"}

    @property
    def cannot(self) -> tuple[str, ...]:
        """Slices that the method has no answer for."""
        return () if self.method.by_content else BLIND


@dataclass(frozen=True)
class Outputs:
    """What the stages of a run made.

    Attributes:
        ids: semantic ids by name, one a seed.
        fitted: methods by name, one a seed.
        answers: of every method, for each held-out part, one a seed.
        references: reference baselines on the questions of each part.
    """

    ids: Repeated
    fitted: Mapping[str, Sequence[Fitted]]
    answers: Mapping[SplitName, Repeated]
    references: Mapping[SplitName, Sequence[Reference]]

    def named(self) -> Iterator[tuple[str, Artefact]]:
        """Every artefact under a name of its own."""
        models = {name: [run.made for run in runs] for name, runs in self.fitted.items()}
        kinds = [("ids", self.ids), ("model", models), *self.answers.items()]
        for kind, made in kinds:
            for name, runs in made.items():
                for n, artefact in enumerate(runs):
                    yield f"{kind} {name} {n}", artefact
        for split_name, found in self.references.items():
            for n, reference in enumerate(found):
                yield f"reference {split_name} {n}", reference.made

    def answered(self, name: str, split_name: SplitName) -> list[Answered]:
        """A method's answers about ``part``, one a seed."""
        methods = {name: runs[0].method for name, runs in self.fitted.items()}
        learned = learned_facts(name, methods) if methods[name].prompted else {}
        return [
            Answered(name, made.path, run.method, run.codes, {**run.about, **learned})
            for made, run in zip(self.answers[split_name][name], self.fitted[name], strict=True)
        ]


def measure_run(cfg: Any, corpus: Corpus, made: Outputs) -> tuple[list[Measured], list[Sample]]:
    """The figures of every method and baseline, means over the seeds, and samples of the first.

    Args:
        cfg: the recipe's config.
        corpus: what the answers are held against.
        made: samples are of the last of its parts.
    """
    measured: list[Measured] = []
    samples: list[Sample] = []
    view = unnamed_view(corpus)
    for split_name, found in made.answers.items():
        for name in found:
            figures, seen = _of_method(cfg, name, split_name, corpus, made)
            measured += figures
            samples += seen if split_name == cfg.evaluate.splits[-1] else []
        run = {"split": split_name, "seed": cfg.seed}
        measured += [measure_reference(each, view, run) for each in made.references[split_name]]
        each_of = {name: made.answered(name, split_name) for name in found}
        measured += list_references(each_of, corpus, split_name, cfg.seed)
    return measured, samples


def _of_method(
    cfg: Any, name: str, split_name: SplitName, corpus: Corpus, made: Outputs
) -> tuple[list[Measured], list[Sample]]:
    """A method's figures, means over its runs, and the first run's samples."""
    each: list[list[Measured]] = []
    shown: list[Sample] = []
    for nth, answered in enumerate(made.answered(name, split_name)):
        count = 0 if nth else cfg.evaluate.samples
        found, seen = measure_answers(answered, corpus, split_name, seed=cfg.seed, shown=count)
        each.append(found)
        shown += seen
    return [average(found, cfg.seed) for found in zip(*each, strict=True)], shown


def measure_answers(
    answered: Answered, corpus: Corpus, split_name: SplitName, *, seed: int, shown: int
) -> tuple[list[Measured], list[Sample]]:
    """The numbers of what a method answered, and some answers to look at.

    Args:
        part: what it was asked about.
        seed: of the bootstrap.
        shown: answers to look at, of each kind.
    """
    name, folder, about = answered.name, answered.folder, answered.about
    measured, seen = [], []
    if (folder / LISTS).is_file():
        lists = read_lists(folder)
        facts = {**about, **read_json(folder / ABOUT)}
        measured.append(
            measure_lists(name, lists, corpus, facts, seed, split_name, answered.cannot)
        )
        if answered.codes is not None:
            seen += list_samples(name, lists, corpus, shown, seed, split_name)
    view = _view(corpus, answered.codes)
    told = {key: value for key, value in about.items() if key in answered.told}
    spent = {"train_seconds": about.get("train_seconds", 0.0), "about": told}
    for asked in read_asked(folder):
        measured += measure_predictions(
            name, asked, view, {"split": split_name, "seed": seed, **spent}
        )
        seen += family_samples(name, asked, view, shown, seed) if answered.codes else []
    return measured, seen


def _view(corpus: Corpus, codes: Path | None) -> CorpusView:
    """``corpus`` as a method with ``codes`` names its items."""
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
    cannot: Collection[str] = (),
) -> Measured:
    """A method's lists against what the users did in ``part``."""
    histories, targets, events = cases(corpus.interactions, corpus.split, split_name)
    if not np.array_equal(histories.users, lists.users):
        raise ValueError(f"{name}: lists for other users than the {split_name} part has")
    facts = {k: v for k, v in about.items() if not k.endswith("_seconds")}
    return ranking(
        name,
        lists,
        targets,
        corpus,
        cannot=cannot,
        events=events,
        split=split_name,
        seed=seed,
        train_seconds=about.get("train_seconds", 0.0),
        infer_seconds=about.get("infer_seconds", 0.0),
        about=facts,
    )


def list_references(
    answered: Mapping[str, Sequence[Answered]], corpus: Corpus, split_name: SplitName, seed: int
) -> list[Measured]:
    """Ranked lists beside the answers to prompts that asked for the same items, on those users.

    A method that answered such prompts and made lists too stands there as ``name (lists)``.

    Args:
        answered: by method, one a seed.
    """
    _, _, events = cases(corpus.interactions, corpus.split, split_name)
    requests, events = each_target(events)
    targets = corpus.interactions.items[events]
    asked = {
        name: {
            a.task: a
            for a in read_asked(runs[0].folder)
            if isinstance(a, RankedItems) and not a.unseen
        }
        for name, runs in answered.items()
    }
    found = []
    for task, answers in {t: a for own in asked.values() for t, a in own.items()}.items():
        rows = np.flatnonzero(np.isin(events, answers.events))
        if len(rows) < len(answers.events):
            continue
        for name, runs in answered.items():
            shown = f"{name} (lists)" if task in asked[name] else name
            each = []
            for run in runs if (runs[0].folder / LISTS).is_file() else ():
                about = {**run.about, **read_json(run.folder / ABOUT)}
                seconds = about["infer_seconds"] * len(rows) / (requests[-1] + 1)
                each.append(
                    ranking(
                        shown, read_lists(run.folder).take(requests[rows]), targets[rows], corpus,
                        task=task, split=split_name, seed=seed, train_seconds=about["train_seconds"],
                        infer_seconds=seconds, events=events[rows], cannot=run.cannot,
                        about={key: about[key] for key in LEARNED if key in about},
                    )
                )  # fmt: skip
            found += [average(each, seed)] if each else []
    return found
