"""From an interaction log to a report: prepare data, build ids, fit, predict, evaluate, report.

p5rec run sft --config my.yaml [key.sub=value ...]
accelerate launch recipes/sft.py --config my.yaml
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from p5rec.backbones.vectors_config import StoredVectorsConfig
from p5rec.core.artefacts import Store
from p5rec.core.config import Config, FileName, Lines
from p5rec.core.errors import all_of
from p5rec.data.config import DataConfig
from p5rec.data.prepare import check_files, load_corpus, prepare_data
from p5rec.evaluate.config import EvaluateConfig, check_names, without_dropped
from p5rec.ids.config import IdsConfig
from p5rec.methods.base import LISTS
from p5rec.methods.checks import check_data, check_methods, in_order
from p5rec.methods.registry import METHODS, Baseline, any_method, methods_of, named_methods
from p5rec.methods.stored_sections import check_stored
from p5rec.methods.views import view_methods
from p5rec.recommend.writing.config import TextsConfig
from p5rec.tasks.registry import TASKS

if TYPE_CHECKING:
    from p5rec.evaluate.predictions import Outputs
    from p5rec.methods.fitted import Fitted
    from p5rec.pipeline.prepared import Prepared
    from p5rec.recommend.serving import ServingConfig


class Sft(Config):
    """The config of the recipe."""

    name: FileName = "sft"
    """Name of the run. Default: the config file's name."""
    seed: int = 0
    """Seed of the bootstrap and of the sample of prompted test instances."""
    repeats: Annotated[int, Field(ge=1)] = 1
    """Runs of every randomised stage; the n-th run adds n to the seeds, counting from 0."""
    plugins: tuple[str, ...] = ()
    """Python files (``./my_baseline.py``, relative to the working directory) or modules
    (``my_package.module``) that define further kinds of methods. They are imported, and run with
    your rights.
    """
    data: DataConfig
    """The interaction log, its tables and its split."""
    ids: dict[FileName, IdsConfig] = {"semantic": IdsConfig()}
    """Name → semantic ids."""
    texts: dict[FileName, TextsConfig] = {}
    """Name → texts about all items or users, which a language model writes or a file holds."""
    vectors: dict[FileName, StoredVectorsConfig] = {}
    """Name → stored vectors of items, users or events."""
    baselines: tuple[Baseline, ...] = ("popularity", "item-knn", "ease", "ease-recency")
    """Baselines by name, tuned on validation over their default grids."""
    methods: dict[FileName, any_method()] = {}  # type: ignore[valid-type]
    """Name → method."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """The evaluation: splits, prompts and comparisons."""
    notes: tuple[str, ...] = ()
    """Notes for the reader of the report."""


SCHEMA = Sft


def settle(cfg: Any, lines: Lines) -> Any:
    """``cfg`` as it will run; ``lines`` are the source lines of its keys."""
    return without_dropped(cfg, lines)


def check(cfg: Any, lines: Lines) -> None:
    """Checks the config without data, before any slow import."""
    all_of(
        lambda: check_names(cfg, lines),
        lambda: check_files(cfg.data),
        lambda: check_methods(named_methods(cfg), cfg.ids),
        lambda: check_stored(cfg, methods_of(cfg)),
        lambda: view_methods(cfg.ids, cfg.methods, lines),
    )


def main(cfg: Any, store: Store, out: Path, jobs: int | None = 1) -> None:
    """Runs every stage; a stage runs again only if its inputs, config or code changed.

    Args:
        cfg: the config.
        store: the cache of stages.
        out: the folder of the report, ranked lists and models.
        jobs: stages computed in parallel; None: as many as cores and memory allow.
    """
    # slow imports come after the checks, so that config errors are reported at once
    from p5rec.pipeline.jobs import JobRunner
    from p5rec.pipeline.parallel import in_parallel, parallel_jobs
    from p5rec.pipeline.prepared import Prepared
    from p5rec.report.publish import first_table, publish, show

    methods = methods_of(cfg)
    data = prepare_data(cfg.data, store)
    corpus = load_corpus(data.path).with_validation(exclude_seen=cfg.evaluate.exclude_seen)
    check_data(methods, cfg.evaluate.prompts, corpus)

    def print_first_table(prepared: Prepared, names: Sequence[str]) -> None:
        print(first_table(cfg, corpus, outputs(cfg, prepared, names)), flush=True)

    runner, limit = JobRunner(cfg, Prepared(corpus, data, store)), parallel_jobs(jobs, corpus)
    with in_parallel(runner, Path(__file__), limit, print_first_table) as prepared:
        results = outputs(cfg, prepared, in_order(methods))
        report = store.stage(
            "report",
            partial(publish, cfg, data, corpus, results),
            config=cfg.dump(),
            code=(
                publish,
                *sorted({METHODS.target(m.kind) for m in methods.values()}),
                *map(TASKS.target, TASKS),
            ),
            inputs={"data": data, **dict(results.named())},
        )
    if not store.rank:
        fitted = {name: runs[0] for name, runs in results.fitted.items()}
        show(report.path, results.ids, fitted, serving_of(cfg, results.fitted), out)


def outputs(cfg: Any, prepared: Prepared, names: Sequence[str]) -> Outputs:
    """Semantic ids, fitted methods, and the predictions of methods and reference baselines.

    Args:
        cfg: the config.
        prepared: the data.
        names: of the methods, each after the method that it is initialised from.
    """
    from p5rec.evaluate.predictions import Outputs
    from p5rec.pipeline.fitting import fit_method
    from p5rec.pipeline.ids import build_ids
    from p5rec.pipeline.predictions import predict_fitted, predict_references
    from p5rec.pipeline.vectors import stored_context
    from p5rec.recommend.model_predictions import read_prompted

    methods = methods_of(cfg)
    views = view_methods(cfg.ids, cfg.methods)
    used = {methods[name].semantic_ids for name in names}
    ids = {
        name: build_ids(config, views[name], prepared, cfg.repeats)
        for name, config in cfg.ids.items()
        if name in used
    }
    fitted: dict[str, list[Fitted]] = {}
    stored = stored_context(cfg, prepared, range(cfg.repeats))
    context = replace(stored, ids=ids, methods=fitted)
    for name in names:
        fitted[name] = fit_method(methods[name], prepared, context, cfg.repeats, name=name)
    serving = serving_of(cfg, fitted)
    predictions = {
        split_name: {
            name: [predict_fitted(run, own, prepared, split_name) for run in runs]
            for name, runs in fitted.items()
            if (own := cfg.evaluate.serving_on(split_name, name, serving[name])) is not None
            and (LISTS in runs[0].method.capabilities or own.prompts)
        }
        for split_name in cfg.evaluate.every_split
    }
    prompted = {
        split_name: [each for runs in by_method.values() for each in read_prompted(runs[0].path)]
        for split_name, by_method in predictions.items()
    }
    references = {
        split_name: predict_references(each, prepared, methods)
        for split_name, each in prompted.items()
    }
    return Outputs(ids, fitted, predictions, references)


def serving_of(cfg: Any, fitted: Mapping[str, Sequence[Fitted]]) -> dict[str, ServingConfig]:
    """How each of the methods is queried."""
    return {
        name: cfg.evaluate.serving(runs[0].method, cfg.seed, runs[0].seed)
        for name, runs in fitted.items()
    }


if __name__ == "__main__":
    from p5rec.cli.run import main as run

    run(__file__)
