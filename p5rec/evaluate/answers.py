"""What the methods of a run answered → their numbers, and some answers to look at."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from p5rec.core.artefacts import Artefact, read_json
from p5rec.core.types import Corpus, ItemCodes, RankedLists
from p5rec.data.split import cases
from p5rec.ids.files import load_codes
from p5rec.ids.tokens import item_strings
from p5rec.methods.registry import generative
from p5rec.recommend.list_files import ABOUT, LISTS, read_lists
from p5rec.recommend.model_answers import read_asked
from p5rec.tasks.predictions import RankedItems
from p5rec.tasks.view import CorpusView, ItemNames, unnamed_view

from .families import Reference, measure_predictions, measure_reference
from .footing import LEARNED, learned_facts
from .measure import ranking
from .measured import Measured, average
from .samples import family_samples, list_samples
from .schema import Part, Sample

BLIND = ("unseen-item",)  # of baselines, which know an item by its training events alone
Repeated = Mapping[str, Sequence[Artefact]]  # by name, one a seed


@dataclass(frozen=True)
class Outputs:
    """What the stages of a run made.

    Attributes:
        ids: semantic ids by name, one a seed.
        models: trained models by method, one a seed.
        fitted: facts about methods that were fitted to the data alone, by name, one a seed.
        answers: of every method, for each held-out part, one a seed.
        references: predictions of fitted methods for the questions of each part.
    """

    ids: Repeated
    models: Repeated
    fitted: Mapping[str, Sequence[Mapping[str, Any]]]
    answers: Mapping[Part, Repeated]
    references: Mapping[Part, Sequence[Reference]]

    def named(self) -> Iterator[tuple[str, Artefact]]:
        """Every artefact under a name of its own."""
        kinds = [("ids", self.ids), ("model", self.models), *self.answers.items()]
        for kind, made in kinds:
            for name, runs in made.items():
                for n, artefact in enumerate(runs):
                    yield f"{kind} {name} {n}", artefact
        for part, found in self.references.items():
            for n, reference in enumerate(found):
                yield f"reference {part} {n}", reference.made


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
    final, trained = cfg.evaluate.parts[-1], generative(cfg.methods)
    for part, found in made.answers.items():
        for name in found:
            figures, seen = _of_method(cfg, name, part, corpus, made)
            measured += figures
            samples += seen if part == final else []
        folders = {name: [run.path for run in runs] for name, runs in found.items()}
        facts = {
            name: {"train_seconds": runs[0].manifest["seconds"], **learned_facts(name, trained)}
            for name, runs in made.models.items()
        }
        spent = {name: told[0] for name, told in made.fitted.items()}
        run = {"split": part, "seed": cfg.seed}
        measured += [measure_reference(each, view, run) for each in made.references[part]]
        measured += list_references(folders, corpus, part, cfg.seed, facts, spent)
    return measured, samples


def _of_method(
    cfg: Any, name: str, part: Part, corpus: Corpus, made: Outputs
) -> tuple[list[Measured], list[Sample]]:
    """A method's figures, means over its runs, and the first run's samples."""
    each: list[list[Measured]] = []
    shown: list[Sample] = []
    trained = generative(cfg.methods)
    for nth, artefact in enumerate(made.answers[part][name]):
        codes = None
        if method := trained.get(name):
            about = {
                "train_seconds": made.models[name][nth].manifest["seconds"],
                **learned_facts(name, trained),
                "method": method.dump(),
            }
            codes = load_codes(made.ids[method.ids][nth].path)
        else:
            about = dict(made.fitted[name][nth])
        found, seen = measure_answers(
            name, artefact.path, corpus, codes, part,
            seed=cfg.seed, about=about, shown=0 if nth else cfg.evaluate.samples,
        )  # fmt: skip
        each.append(found)
        shown += seen
    return [average(found, cfg.seed) for found in zip(*each, strict=True)], shown


def measure_answers(
    name: str,
    folder: Path,
    corpus: Corpus,
    codes: ItemCodes | None,
    part: Part,
    *,
    seed: int,
    about: Mapping[str, Any],
    shown: int,
) -> tuple[list[Measured], list[Sample]]:
    """The numbers of what a method answered, and some answers to look at.

    Args:
        name: the method.
        folder: its answers (see ``p5rec.recommend.model_answers``).
        codes: how a trained model names items; None for a baseline, which answers in lists alone.
        part: what it was asked about.
        seed: of the bootstrap.
        about: facts that the report keeps beside the numbers; ``train_seconds`` is one of them.
        shown: answers to look at, of each kind.
    """
    measured, seen = [], []
    if (folder / LISTS).is_file():
        lists = read_lists(folder)
        facts = {**about, **read_json(folder / ABOUT)}
        cannot = BLIND if codes is None else ()
        measured.append(measure_lists(name, lists, corpus, facts, seed, part, cannot))
        if codes is not None:
            seen += list_samples(name, lists, corpus, shown, seed, part)
    if codes is not None:
        view = CorpusView(corpus, ItemNames(item_strings(codes), corpus.catalog.titles))
        told = {key: about[key] for key in LEARNED if key in about}
        spent = {"train_seconds": about.get("train_seconds", 0.0), "about": told}
        for asked in read_asked(folder):
            measured += measure_predictions(
                name, asked, view, {"split": part, "seed": seed, **spent}
            )
            seen += family_samples(name, asked, view, shown, seed)
    return measured, seen


def measure_lists(
    name: str,
    lists: RankedLists,
    corpus: Corpus,
    about: Mapping[str, Any],
    seed: int,
    part: Part = "test",
    cannot: Collection[str] = (),
) -> Measured:
    """A method's lists against what the users did in ``part``."""
    histories, targets, events = cases(corpus.interactions, corpus.split, part)
    if not np.array_equal(histories.users, lists.users):
        raise ValueError(f"{name}: lists for other users than the {part} part has")
    facts = {k: v for k, v in about.items() if not k.endswith("_seconds")}
    return ranking(
        name,
        lists,
        targets,
        corpus,
        cannot=cannot,
        events=events,
        split=part,
        seed=seed,
        train_seconds=about.get("train_seconds", 0.0),
        infer_seconds=about.get("infer_seconds", 0.0),
        about=facts,
    )


def list_references(
    folders: Mapping[str, Sequence[Path]],
    corpus: Corpus,
    part: Part,
    seed: int,
    facts: Mapping[str, Mapping[str, Any]],
    spent: Mapping[str, Mapping[str, Any]],
) -> list[Measured]:
    """Ranked lists beside the answers to prompts that asked for the same items, on those users.

    A method that answered such prompts and made lists too stands there as ``name (lists)``.

    Args:
        folders: of each method, one a seed.
        facts: of trained methods, beside what their answers tell.
        spent: of the others, ``train_seconds`` among it.
    """
    _, targets, events = cases(corpus.interactions, corpus.split, part)
    asked = {
        name: {
            a.task: a for a in read_asked(runs[0]) if isinstance(a, RankedItems) and not a.unseen
        }
        for name, runs in folders.items()
    }
    found = []
    for task, answers in {t: a for own in asked.values() for t, a in own.items()}.items():
        rows = np.flatnonzero(np.isin(events, answers.events))
        if len(rows) < len(answers.events):
            continue
        for name, runs in folders.items():
            shown = f"{name} (lists)" if task in asked[name] else name
            each = []
            for folder in runs if (runs[0] / LISTS).is_file() else ():
                about = {**spent.get(name, {}), **facts.get(name, {}), **read_json(folder / ABOUT)}
                seconds = about["infer_seconds"] * len(rows) / len(events)
                each.append(
                    ranking(
                        shown, read_lists(folder).take(rows), targets[rows], corpus, task=task,
                        split=part, seed=seed, train_seconds=about["train_seconds"],
                        infer_seconds=seconds, events=events[rows],
                        cannot=() if name in facts else BLIND,
                        about={key: about[key] for key in LEARNED if key in about},
                    )
                )  # fmt: skip
            found += [average(each, seed)] if each else []
    return found
