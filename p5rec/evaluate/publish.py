"""The last stage: measure what every method answered, write the report, lay the results out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from p5rec.core.artefacts import Artefact, Lineage, read_json, seconds_of, writing
from p5rec.core.publishing import lay_out
from p5rec.core.types import Corpus, ItemCodes
from p5rec.data.describe import dropped_told, repeats_told
from p5rec.data.prepare import SUMMARY
from p5rec.data.split import cases
from p5rec.ids.files import load_codes
from p5rec.ids.quality import FILE
from p5rec.ids.tokens import item_strings
from p5rec.prompting.view import CorpusView, ItemNames
from p5rec.recommend.list_files import ABOUT, LISTS, read_lists
from p5rec.recommend.lists import to_frame, write_lists
from p5rec.recommend.model_answers import read_asked
from p5rec.recommend.serving import ServingConfig, served_files
from p5rec.recommend.stages import Reference, linear_file

from . import data_curve, measure, plots
from .agreement import sentence, told_by_ids
from .families import measure_family, measure_reference
from .footing import learned_from
from .measure import Measured, average
from .per_user import write_cases
from .report import write_report
from .run import assemble, measure_lists
from .samples import family_samples, list_samples
from .schema import Part, Sample, load_report
from .terminal import table
from .wording import RERUN

LOG = "metrics.jsonl"
BLIND = ("unseen-item",)  # of baselines, which know an item by its training events alone
AGREEMENT = "plots/agreement.png"
RANKED_BY = "NDCG@10"
LEARNED = ("learned", "users", "whole")  # facts about a method that its entries keep
DATA_CURVE = "plots/data.png"
Repeated = Mapping[str, Sequence[Artefact]]  # by name, one a seed


def publish(
    cfg: Any,
    data: Artefact,
    corpus: Corpus,
    ids: Repeated,
    answers: Mapping[Part, Repeated],
    models: Repeated,
    references: Mapping[Part, Sequence[Reference]],
    folder: Path,
) -> Lineage:
    """Writes report, pictures and ranked lists into ``folder``.

    Figures are means over the seeds; lists, samples and curves are those of the first.

    Args:
        cfg: the recipe's config.
        data: the prepared ``corpus``; its notes say which rows were repeats.
        ids, models: artefacts by name, one a seed.
        answers: the same for each held-out part; baselines answer once. Lists are laid out and
            samples shown of the last part.
        references: rating and text baselines on the questions of each part.
    """
    measured: list[Measured] = []
    shown: list[Sample] = []
    final = cfg.evaluate.parts[-1]
    for part, found in answers.items():
        for name, runs in found.items():
            figures, seen = _of_method(cfg, name, part, corpus, ids, runs, models.get(name, ()))
            measured += figures
            shown += seen if part == final else []
        folders = {name: [run.path for run in runs] for name, runs in found.items()}
        facts = {
            name: {"train_seconds": runs[0].manifest["seconds"], **_learned(name, cfg.methods)}
            for name, runs in models.items()
        }
        run = {"split": part, "seed": cfg.seed}
        measured += [measure_reference(each, corpus, run) for each in references[part]]
        measured += list_references(folders, corpus, part, cfg.seed, facts)
    for name, runs in answers[final].items():
        if (runs[0].path / LISTS).is_file():
            frame = to_frame(read_lists(runs[0].path), corpus.catalog, corpus.user_ids)
            write_lists(frame, folder / f"lists/{name}.parquet", folder / f"lists/{name}.jsonl")
    summary = read_json(data.path / SUMMARY)
    notes = [*cfg.notes, *dropped_told(summary), *repeats_told(summary, cfg.data.dedupe)]
    pictures = {}
    bits = {name: read_json(runs[0].path / FILE)["next_item_bits"] for name, runs in ids.items()}
    if told := told_by_ids(cfg.methods, bits):
        reached = {
            entry.method.name: float(entry.method.metrics[RANKED_BY].value or 0)
            for entry in measured
            if entry.method.split == cfg.evaluate.parts[0] and RANKED_BY in entry.method.metrics
        }
        metric = f"{RANKED_BY} ({cfg.evaluate.parts[0]})"
        notes.append(sentence(told, reached, metric))
        plots.agreement(told, reached, metric, folder / AGREEMENT)
        pictures["Codes before and after training"] = AGREEMENT
    logs: dict[Path, str] = {}  # a training whose model several methods ask is the first one's
    for name, runs in models.items():
        if (log := runs[0].path / LOG).is_file():
            logs.setdefault(log, name)
    beside = [each.made for found in references.values() for each in found]
    report = assemble(
        corpus,
        measured,
        seconds=seconds_of([data, *_artefacts(ids, models, *answers.values()), *beside]),
        seed=cfg.seed,
        seeds=range(cfg.repeats),
        manifest={
            "command": RERUN,
            "config": cfg.dump(),
            "artefacts": {
                f"{part} {name} {n}": run.key
                for part, found in answers.items()
                for name, runs in found.items()
                for n, run in enumerate(runs)
            },
        },
        pairs=cfg.evaluate.compare,
        samples=shown,
        notes=notes,
        curves={name: str(log) for log, name in logs.items()},
        pictures=pictures,
        exclude_seen=cfg.evaluate.exclude_seen,
    )
    if data_curve.draw(report, folder / DATA_CURVE):
        pictures["What more data is worth"] = DATA_CURVE
        report = report.model_copy(update={"pictures": pictures})
    write_report(report, folder, {name: load_codes(runs[0].path) for name, runs in ids.items()})
    write_cases(measured, corpus, folder)
    return Lineage.none()


def _of_method(
    cfg: Any,
    name: str,
    part: Part,
    corpus: Corpus,
    ids: Repeated,
    runs: Sequence[Artefact],
    models: Sequence[Artefact],
) -> tuple[list[Measured], list[Sample]]:
    """A method's figures, means over its runs, and the first run's samples."""
    each: list[list[Measured]] = []
    shown: list[Sample] = []
    for nth, artefact in enumerate(runs):
        about: dict[str, Any] = {}
        codes = None
        if models:
            method = cfg.methods[name]
            seconds = models[nth].manifest["seconds"]
            about = {
                "train_seconds": seconds,
                **_learned(name, cfg.methods),
                "method": method.dump(),
            }
            codes = load_codes(ids[method.ids][nth].path)
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
            measured += measure_family(name, asked, view, {"split": part, "seed": seed, **spent})
            seen += family_samples(name, asked, view, shown, seed)
    return measured, seen


def _artefacts(*made: Repeated) -> list[Artefact]:
    return [artefact for found in made for runs in found.values() for artefact in runs]


def _learned(name: str, methods: Mapping[str, Any]) -> dict[str, Any]:
    found = {"learned": learned_from(methods[name])}
    if all(method.train.users == 1 for method in methods.values()):
        return found
    return found | {
        "users": methods[name].train.users, "whole": data_curve.whole(name, methods)
    }  # fmt: skip


def list_references(
    folders: Mapping[str, Sequence[Path]],
    corpus: Corpus,
    part: Part,
    seed: int,
    facts: Mapping[str, Mapping[str, Any]],
) -> list[Measured]:
    """Ranked lists beside the answers to prompts that asked for the same items, on those users.

    A method that answered such prompts and made lists too stands there as ``name (lists)``.

    Args:
        folders: of each method, one a seed.
        facts: of trained methods, beside what their answers tell.
    """
    _, targets, events = cases(corpus.interactions, corpus.split, part)
    asked = {
        name: {a.task: a for a in read_asked(runs[0]) if a.answer == "item" and not a.unseen}
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
                about = {**facts.get(name, {}), **read_json(folder / ABOUT)}
                seconds = about["infer_seconds"] * len(rows) / len(events)
                each.append(
                    measure.ranking(
                        shown, read_lists(folder).take(rows), targets[rows], corpus, task=task,
                        split=part, seed=seed, train_seconds=about["train_seconds"],
                        infer_seconds=seconds, events=events[rows],
                        cannot=() if name in facts else BLIND,
                        about={key: about[key] for key in LEARNED if key in about},
                    )
                )  # fmt: skip
            found += [measure.average(each, seed)] if each else []
    return found


def show(
    made: Path,
    corpus: Corpus,
    ids: Repeated,
    models: Repeated,
    linear: Mapping[str, Sequence[Artefact | None]],
    serving: Mapping[str, ServingConfig],
    out: Path,
) -> None:
    """Lays results out where the user looks, and prints the table and the places.

    Args:
        made: the report's folder.
        corpus: its titles go with the models.
        ids, models: artefacts by name, one a seed; the first is laid out.
        linear: what each method's lists add to its model's.
        serving: how each method was asked.
    """
    kept = [path for path in made.iterdir() if path.name not in ("manifest.json", "lineage.npy")]
    codes = {f"ids/{name}": runs[0].path for name, runs in ids.items()}
    with writing(out), TemporaryDirectory() as work:
        bundles = {
            f"models/{name}": served_files(
                runs[0].path / "bundle", linear_file(linear[name][0]), serving[name],
                corpus.catalog.titles, Path(work) / name,
            )
            for name, runs in models.items()
        }  # fmt: skip
        lay_out({**{path.name: path for path in kept}, **bundles, **codes}, out)
    print()
    print(table(load_report(out)))
    print(f"\nreport  {out}/report.html   (text: {out}/report.md, numbers: {out}/report.json)")
    print(f"lists   {out}/lists/<method>.parquet and .jsonl: user, rank, item, title, score")
    print(f"ids     {out}/ids/<name>: look at them with `p5rec ids inspect`")
    if models:
        print(f"models  {out}/models/<method>: ask them with `p5rec recommend`")
