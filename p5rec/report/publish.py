"""The last stage: the report of a run, its pages, pictures and lists, and where they are laid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from p5rec.core.artefacts import (
    LINEAGE,
    Artefact,
    Lineage,
    read_json,
    seconds_of,
    write_json,
    writing,
)
from p5rec.core.publishing import lay_out
from p5rec.core.types import Corpus
from p5rec.core.working import MANIFEST
from p5rec.data.describe import behaviours_told, dropped_told, repeats_told, users_told
from p5rec.data.prepare import SUMMARY
from p5rec.evaluate.agreement import sentence, told_by_ids
from p5rec.evaluate.answers import Outputs, Repeated, measure_run
from p5rec.evaluate.assemble import Rules, assemble
from p5rec.evaluate.measured import Measured
from p5rec.evaluate.per_user import write_cases
from p5rec.evaluate.schema import load_report
from p5rec.ids.files import load_codes
from p5rec.ids.quality import FILE
from p5rec.methods.fitted import Fitted
from p5rec.methods.registry import methods_of
from p5rec.recommend.list_files import LISTS, read_lists
from p5rec.recommend.lists import to_frame, write_lists
from p5rec.recommend.serving import FILE as SERVING
from p5rec.recommend.serving import ServingConfig

from . import data_curve, plots
from .files import write_report
from .terminal import table
from .wording import RERUN

LOG = "metrics.jsonl"
AGREEMENT = "plots/agreement.png"
RANKED_BY = "NDCG@10"
DATA_CURVE = "plots/data.png"


def publish(cfg: Any, data: Artefact, corpus: Corpus, made: Outputs, folder: Path) -> Lineage:
    """Writes report, pictures and ranked lists into ``folder``.

    Figures are means over the seeds; lists, samples and curves are those of the first.

    Args:
        cfg: the recipe's config.
        data: the prepared ``corpus``; its notes say which rows were repeats.
        made: lists are laid out and samples shown of the last part.
    """
    measured, samples = measure_run(cfg, corpus, made)
    _write_lists(made.answers[cfg.evaluate.parts[-1]], corpus, folder)
    summary = read_json(data.path / SUMMARY)
    notes = [*cfg.notes, *behaviours_told(summary), *dropped_told(summary), *users_told(summary)]
    notes += repeats_told(summary, cfg.data.dedupe)
    pictures = {}
    if agreed := _draw_agreement(cfg, made.ids, measured, folder):
        notes.append(agreed)
        pictures["Codes before and after training"] = AGREEMENT
    report = assemble(
        corpus,
        measured,
        Rules(cfg.seed, range(cfg.repeats), cfg.evaluate.compare, cfg.evaluate.exclude_seen),
        seconds=seconds_of([data, *(artefact for _, artefact in made.named())]),
        manifest={
            "command": RERUN,
            "config": cfg.dump(),
            "artefacts": {
                f"{part} {name} {n}": run.key
                for part, found in made.answers.items()
                for name, runs in found.items()
                for n, run in enumerate(runs)
            },
        },
        samples=samples,
        notes=notes,
        curves=_training_logs(made.fitted),
    )
    if data_curve.draw(report, folder / DATA_CURVE):
        pictures["What more data is worth"] = DATA_CURVE
    report = report.model_copy(update={"pictures": pictures})
    write_report(
        report, folder, {name: load_codes(runs[0].path) for name, runs in made.ids.items()}
    )
    write_cases(measured, corpus, folder)
    return Lineage.none()


def _write_lists(answers: Repeated, corpus: Corpus, folder: Path) -> None:
    for name, runs in answers.items():
        if (runs[0].path / LISTS).is_file():
            frame = to_frame(read_lists(runs[0].path), corpus.catalog, corpus.user_ids)
            write_lists(frame, folder / f"lists/{name}.parquet", folder / f"lists/{name}.jsonl")


def _draw_agreement(cfg: Any, ids: Repeated, measured: Sequence[Measured], folder: Path) -> str:
    """Draws what codes promise against what models make of them, and says it; empty where methods
    do not differ in their codes alone."""
    bits = {name: read_json(runs[0].path / FILE)["next_item_bits"] for name, runs in ids.items()}
    told = told_by_ids(cfg.methods, bits)
    if not told:
        return ""
    part = cfg.evaluate.parts[0]
    reached = {
        entry.method.name: float(entry.method.metrics[RANKED_BY].value or 0)
        for entry in measured
        if entry.method.split == part and RANKED_BY in entry.method.metrics
    }
    metric = f"{RANKED_BY} ({part})"
    plots.agreement(told, reached, metric, folder / AGREEMENT)
    return sentence(told, reached, metric)


def _training_logs(fitted: Mapping[str, Sequence[Fitted]]) -> dict[str, str]:
    """Records of training by method; one whose model several methods ask is the first one's."""
    logs: dict[Path, str] = {}
    for name, runs in fitted.items():
        if (log := runs[0].trained / LOG).is_file():
            logs.setdefault(log, name)
    return {name: str(log) for log, name in logs.items()}


def first_table(cfg: Any, corpus: Corpus, made: Outputs) -> str:
    """The table of the methods that are there before others are.

    Args:
        cfg: the recipe's config; pairs of other methods are not compared.
        made: outputs of some of its methods.
    """
    pairs = tuple(pair for pair in cfg.evaluate.compare if {*pair} <= made.fitted.keys())
    evaluate = cfg.evaluate.model_copy(update={"compare": pairs, "samples": 0})
    measured, _ = measure_run(cfg.model_copy(update={"evaluate": evaluate}), corpus, made)
    rules = Rules(cfg.seed, range(cfg.repeats), pairs, cfg.evaluate.exclude_seen)
    seconds = seconds_of(artefact for _, artefact in made.named())
    report = assemble(corpus, measured, rules, seconds=seconds, manifest={})
    left = [name for name in methods_of(cfg) if name not in made.fitted]
    return f"\n{table(report)}\n\nto come: {', '.join(left)}\n"


def show(
    made: Path,
    ids: Repeated,
    fitted: Mapping[str, Fitted],
    serving: Mapping[str, ServingConfig],
    out: Path,
) -> None:
    """Lays results out where the user looks, and prints the table and the places.

    Args:
        made: the report's folder.
        ids: artefacts by name, one a seed; the first is laid out.
        fitted: the methods whose folders are laid out.
        serving: how each is queried.
    """
    kept = [path for path in made.iterdir() if path.name not in (MANIFEST, LINEAGE)]
    codes = {f"ids/{name}": runs[0].path for name, runs in ids.items()}
    with writing(out), TemporaryDirectory() as work:
        folders = {}
        for name, run in fitted.items():
            write_json(Path(work) / name / SERVING, serving[name].dump())
            beside = {SERVING: Path(work) / name / SERVING}
            folders[f"models/{name}"] = {p.name: p for p in run.folder.iterdir()} | beside
        lay_out({**{path.name: path for path in kept}, **folders, **codes}, out)
    print()
    print(table(load_report(out)))
    print(f"\nreport  {out}/report.html   (text: {out}/report.md, numbers: {out}/report.json)")
    print(f"lists   {out}/lists/<method>.parquet and .jsonl: user, rank, item, title, score")
    if ids:
        print(f"ids     {out}/ids/<name>: look at them with `p5rec ids inspect`")
    if fitted:
        print(f"models  {out}/models/<method>: ask them with `p5rec recommend`")
