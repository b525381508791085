"""The last stage of a run: its report, pages, pictures and ranked lists, and their publishing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from p5rec.core.artefacts import (
    LINEAGE,
    Artefact,
    Lineage,
    read_json,
    write_json,
    writing,
)
from p5rec.core.publishing import publish_outputs
from p5rec.core.spent import Spent, clock_seconds, spent_on, total_seconds
from p5rec.core.types import Corpus
from p5rec.core.working import MANIFEST
from p5rec.data.describe import behaviour_notes, dropped_notes, repeat_notes, user_table_notes
from p5rec.data.prepare import SUMMARY
from p5rec.data.space_map import FILE as SPACE_MAP
from p5rec.data.space_map import SpaceMap
from p5rec.evaluate.agreement import next_item_information, sentence
from p5rec.evaluate.assemble import Rules, assemble
from p5rec.evaluate.measured import Measured
from p5rec.evaluate.per_user import write_per_user
from p5rec.evaluate.predictions import Outputs, Repeated, measure_run
from p5rec.evaluate.schema import load_report
from p5rec.ids.codebook_metrics import FILE
from p5rec.ids.files import load_codes
from p5rec.methods.fitted import Fitted
from p5rec.methods.registry import methods_of
from p5rec.recommend.list_files import LISTS, read_lists
from p5rec.recommend.lists import to_frame, write_lists
from p5rec.recommend.serving import FILE as SERVING
from p5rec.recommend.serving import ServingConfig

from . import data_curve, plots
from .files import write_report
from .phrases import RERUN
from .space_plot import draw_space
from .terminal import table

LOG = "metrics.jsonl"
LISTS_OF_RUN = "lists"  # a folder
AGREEMENT = "plots/agreement.png"
RANKED_BY = "NDCG@10"
DATA_CURVE = "plots/data.png"


def publish(cfg: Any, data: Artefact, corpus: Corpus, outputs: Outputs, folder: Path) -> Lineage:
    """Writes report, pictures and ranked lists into ``folder``.

    Metrics are means over the seeds. Lists, samples and curves come from the first seed, lists and
    samples from the last split.

    Args:
        cfg: the recipe's config.
        data: the prepared data set; its summary has the notes on dropped and repeated rows.
        corpus: the data set itself.
        outputs: of the run's stages.
        folder: the stage's folder.
    """
    measured, samples = measure_run(cfg, corpus, outputs)
    _write_lists(outputs.predictions[cfg.evaluate.splits[-1]], corpus, folder)
    summary = read_json(data.path / SUMMARY)
    notes = [
        *cfg.notes,
        *behaviour_notes(summary),
        *dropped_notes(summary),
        *user_table_notes(summary),
    ]
    notes += repeat_notes(summary, cfg.data.dedupe)
    pictures = {}
    if note := _draw_agreement(cfg, outputs.ids, measured, folder):
        notes.append(note)
        pictures["Information in item codes and results"] = AGREEMENT
    pictures |= _draw_spaces(outputs.predictions[cfg.evaluate.splits[-1]], folder)
    spent = _spent([data, *(artefact for _, artefact in outputs.named())])
    report = assemble(
        corpus,
        measured,
        Rules(
            cfg.seed,
            range(cfg.repeats),
            cfg.evaluate.compare,
            cfg.evaluate.exclude_seen,
            primary=cfg.evaluate.primary,
        ),
        seconds=total_seconds(spent),
        manifest={
            "command": RERUN,
            "training_processes": _training_processes(outputs.fitted),
            "config": cfg.dump(),
            "artefacts": {
                f"{split_name} {name} {n}": run.key
                for split_name, by_method in outputs.predictions.items()
                for name, runs in by_method.items()
                for n, run in enumerate(runs)
            },
        },
        samples=samples,
        notes=notes,
        curves=_training_logs(outputs.fitted),
    )
    if data_curve.draw(report, folder / DATA_CURVE):
        pictures["Learning curves"] = DATA_CURVE
    report = report.model_copy(
        update={"pictures": pictures, "clock_seconds": round(clock_seconds(spent), 1)}
    )
    write_report(
        report, folder, {name: load_codes(runs[0].path) for name, runs in outputs.ids.items()}
    )
    write_per_user(measured, corpus, folder)
    return Lineage.none()


def _write_lists(predictions: Repeated, corpus: Corpus, folder: Path) -> None:
    for name, runs in predictions.items():
        if (runs[0].path / LISTS).is_file():
            frame = to_frame(read_lists(runs[0].path), corpus.catalog, corpus.user_ids)
            path = folder / LISTS_OF_RUN / name
            write_lists(frame, path.with_name(f"{name}.parquet"), path.with_name(f"{name}.jsonl"))


def _draw_spaces(predictions: Repeated, folder: Path) -> dict[str, str]:
    """Draws the maps of the methods that describe points; caption → file."""
    drawn = {}
    for name, runs in predictions.items():
        if (runs[0].path / SPACE_MAP).is_file():
            file = f"plots/space-{name}.png"
            draw_space(SpaceMap.read(runs[0].path), folder / file)
            drawn[f"Space of {name}, with its texts about points that it was not trained on"] = file
    return drawn


def _draw_agreement(cfg: Any, ids: Repeated, measured: Sequence[Measured], folder: Path) -> str:
    """Draws the information in item codes against results, and returns their correlation in words;
    empty where the methods differ in more than their codes."""
    bits = {name: read_json(runs[0].path / FILE)["next_item_bits"] for name, runs in ids.items()}
    information = next_item_information(cfg.methods, bits)
    if not information:
        return ""
    split_name = cfg.evaluate.splits[0]
    results = {
        entry.method.name: float(entry.method.metrics[RANKED_BY].value or 0)
        for entry in measured
        if entry.method.split == split_name and RANKED_BY in entry.method.metrics
    }
    metric = f"{RANKED_BY} ({split_name})"
    plots.agreement(information, results, metric, folder / AGREEMENT)
    return sentence(information, results, metric)


def _spent(artefacts: Iterable[Artefact]) -> list[Spent]:
    """What ``artefacts`` and their upstream stages took, each stage once."""
    return list(spent_on(artefact.manifest for artefact in artefacts).values())


def _training_processes(fitted: Mapping[str, Sequence[Fitted]]) -> dict[str, int]:
    """The number of processes that trained each randomised method, by name; the models that it is
    built from count as well."""
    return {
        name: max(spent.processes for spent in _spent(run.fit_stage for run in runs))
        for name, runs in fitted.items()
        if runs[0].method.stochastic
    }


def _training_logs(fitted: Mapping[str, Sequence[Fitted]]) -> dict[str, str]:
    """Training logs by method; a log that methods share has the name of the first."""
    logs: dict[Path, str] = {}
    for name, runs in fitted.items():
        if (log := runs[0].trained / LOG).is_file():
            logs.setdefault(log, name)
    return {name: str(log) for log, name in logs.items()}


def first_table(cfg: Any, corpus: Corpus, outputs: Outputs) -> str:
    """The table of the methods that are evaluated before others.

    Args:
        cfg: the recipe's config; comparisons with other methods are left out.
        corpus: the data set.
        outputs: of the stages of some of its methods.
    """
    pairs = tuple(pair for pair in cfg.evaluate.compare if {*pair} <= outputs.fitted.keys())
    evaluate = cfg.evaluate.model_copy(update={"compare": pairs, "samples": 0})
    measured, _ = measure_run(cfg.model_copy(update={"evaluate": evaluate}), corpus, outputs)
    rules = Rules(cfg.seed, range(cfg.repeats), pairs, cfg.evaluate.exclude_seen)
    seconds = total_seconds(_spent(artefact for _, artefact in outputs.named()))
    report = assemble(corpus, measured, rules, seconds=seconds, manifest={})
    unfinished = [name for name in methods_of(cfg) if name not in outputs.fitted]
    return f"\n{table(report)}\n\nnot finished yet: {', '.join(unfinished)}\n"


def show(
    report: Path,
    ids: Repeated,
    fitted: Mapping[str, Fitted],
    serving: Mapping[str, ServingConfig],
    out: Path,
) -> None:
    """Publishes the outputs of a run, and prints the table and the paths.

    Args:
        report: the report stage's folder.
        ids: semantic ids by name, one for each seed; the first is published.
        fitted: the methods whose models are published.
        serving: how each method is queried.
        out: the folder that the user named.
    """
    files = [path for path in report.iterdir() if path.name not in (MANIFEST, LINEAGE)]
    codes = {f"ids/{name}": runs[0].path for name, runs in ids.items()}
    with writing(out), TemporaryDirectory() as work:
        folders = {}
        for name, run in fitted.items():
            write_json(Path(work) / name / SERVING, serving[name].dump())
            settings = {SERVING: Path(work) / name / SERVING}
            folders[f"models/{name}"] = {p.name: p for p in run.folder.iterdir()} | settings
        publish_outputs({**{path.name: path for path in files}, **folders, **codes}, out)
    print()
    print(table(load_report(out)))
    print(f"\nreport  {out}/report.html   (text: {out}/report.md, data: {out}/report.json)")
    if (out / LISTS_OF_RUN).is_dir():
        lists = out / LISTS_OF_RUN / "<method>"
        print(f"lists   {lists}.parquet and .jsonl: user, rank, item, title, score")
    if ids:
        print(f"ids     {out}/ids/<name>: inspect them with `p5rec ids inspect`")
    if fitted:
        print(f"models  {out}/models/<method>: serve them with `p5rec recommend`")
