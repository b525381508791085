"""The last stage: measure what every method answered, write the report, lay the results out."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from p5rec.core.artefacts import Artefact, Lineage, read_json
from p5rec.core.types import Corpus
from p5rec.ids.base import load_codes
from p5rec.ids.tokens import item_strings
from p5rec.prompting.view import CorpusView, ItemNames
from p5rec.recommend.lists import to_frame, write_lists
from p5rec.recommend.stages import ABOUT, LISTS, read_asked, read_lists

from .families import measure_family, rating_baselines, samples
from .measure import Measured
from .report import load_report, write_report
from .run import assemble, list_samples, measure_lists
from .schema import Sample
from .terminal import table


def publish(
    cfg: Any,
    corpus: Corpus,
    ids: Mapping[str, Artefact],
    answers: Mapping[str, Artefact],
    models: Mapping[str, Artefact],
    folder: Path,
    started: float,
) -> Lineage:
    """Writes report, pictures and ranked lists into ``folder``.

    Args:
        cfg: the recipe's config.
        ids, answers, models: artefacts by name.
        started: when the run began, by ``time.perf_counter``.
    """
    measured: list[Measured] = []
    shown: list[Sample] = []
    for name, artefact in answers.items():
        model = models.get(name)
        about = {"train_seconds": model.manifest["seconds"]} if model else {}
        if model:
            about["method"] = cfg.methods[name].dump()
        if (artefact.path / LISTS).is_file():
            lists = read_lists(artefact.path)
            kept = {**about, **read_json(artefact.path / ABOUT)}
            measured.append(measure_lists(name, lists, corpus, kept, cfg.seed))
            frame = to_frame(lists, corpus.catalog, corpus.user_ids)
            write_lists(frame, folder / f"lists/{name}.parquet", folder / f"lists/{name}.jsonl")
            if model:
                shown += list_samples(name, lists, corpus, cfg.evaluate.samples)
        for asked in read_asked(artefact.path):
            codes = load_codes(ids[cfg.methods[name].ids].path)
            view = CorpusView(corpus, ItemNames(item_strings(codes), corpus.catalog.titles))
            run = {"split": "test", "seed": cfg.seed}
            trained = {"train_seconds": about["train_seconds"], "about": {}}
            measured += measure_family(name, asked, view, {**run, **trained})
            if asked.answer == "rating":
                measured += rating_baselines(corpus, asked, run)
            shown += samples(name, asked, view, cfg.evaluate.samples)
    report = assemble(
        corpus,
        measured,
        seconds=time.perf_counter() - started,
        seed=cfg.seed,
        manifest={"config": cfg.dump(), "artefacts": {n: a.key for n, a in answers.items()}},
        pairs=cfg.evaluate.compare,
        samples=shown,
        notes=cfg.notes,
        curves={name: str(model.path / "metrics.jsonl") for name, model in models.items()},
    )
    write_report(report, folder, {name: load_codes(a.path) for name, a in ids.items()})
    return Lineage.none()


def show(made: Path, models: Mapping[str, Artefact], out: Path) -> None:
    """Copies results to where the user looks, and prints the table and the places."""
    for source in sorted(made.iterdir()):
        if source.name in ("manifest.json", "lineage.npy"):
            continue
        if source.is_dir():
            shutil.copytree(source, out / source.name, dirs_exist_ok=True)
        else:
            shutil.copy2(source, out / source.name)
    for name, model in models.items():
        shutil.copytree(model.path / "bundle", out / "models" / name, dirs_exist_ok=True)
    print()
    print(table(load_report(out)))
    print(f"\nreport  {out}/report.md   (numbers: {out}/report.json)")
    print(f"lists   {out}/lists/<method>.parquet and .jsonl: user, rank, item, title, score")
    if models:
        print(f"models  {out}/models/<method>: ask them with `p5rec recommend`")
