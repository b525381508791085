"""From an interaction log to ranked lists: prepare, build ids, fit, rank, measure, report.

p5rec run sft --config my.yaml [key.sub=value ...]
accelerate launch recipes/sft.py --config my.yaml
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from p5rec.core.artefacts import Store
from p5rec.core.config import Config, FileName, Lines
from p5rec.core.errors import all_of
from p5rec.data.config import DataConfig
from p5rec.data.prepare import check_files, load_corpus, prepare_data
from p5rec.evaluate.config import EvaluateConfig, check_names, without_dropped
from p5rec.ids.config import IdsConfig
from p5rec.methods.base import LISTS
from p5rec.methods.checks import check_data, check_methods, in_order
from p5rec.methods.registry import METHODS, any_method, methods_of
from p5rec.methods.views import view_methods
from p5rec.tasks.registry import TASKS


class Sft(Config):
    """What the recipe reads from its YAML."""

    name: FileName = "sft"
    """Name of the run. Not written: the config file's name."""
    seed: int = 0
    """Seed of the bootstrap and of the choice of test instances."""
    repeats: Annotated[int, Field(ge=1)] = 1
    """Runs of everything that is drawn at random; the n-th run adds n to the seeds."""
    data: DataConfig
    """The log, its tables and its split."""
    ids: dict[FileName, IdsConfig] = {"semantic": IdsConfig()}
    """Name → semantic ids."""
    baselines: tuple[str, ...] = ("popularity", "item-knn", "ease", "ease-recency")
    """Baselines by their short names, with the default search on validation."""
    methods: dict[FileName, any_method()] = {}  # type: ignore[valid-type]
    """Name → method."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """What is measured and compared."""
    notes: tuple[str, ...] = ()
    """Remarks that the report shows to its reader."""


SCHEMA = Sft


def settle(cfg: Any, lines: Lines) -> Any:
    """``cfg`` as it will run, ``lines`` being what set each key of it."""
    return without_dropped(cfg, lines)


def check(cfg: Any, lines: Lines) -> None:
    """Whatever can be checked without the data, and before anything heavy is imported."""
    check_names(cfg, lines)
    all_of(
        lambda: check_files(cfg.data),
        lambda: check_methods(methods_of(cfg), cfg.ids),
        lambda: view_methods(cfg.ids, cfg.methods, lines),
    )


def main(cfg: Any, store: Store, out: Path) -> None:
    """Every stage in order; each is kept and made again only if something it needs changed."""
    # imported here, for they take seconds: what is wrong with a config is told before
    from p5rec.evaluate.answers import Outputs
    from p5rec.methods.fitted import Fitted
    from p5rec.pipeline.answers import ask_fitted, ask_references
    from p5rec.pipeline.fitting import Among, fit_method
    from p5rec.pipeline.ids import build_ids
    from p5rec.pipeline.prepared import Prepared
    from p5rec.recommend.model_answers import read_asked
    from p5rec.report.publish import publish, show

    methods = methods_of(cfg)
    data = prepare_data(cfg.data, store)
    corpus = load_corpus(data.path).validated(exclude_seen=cfg.evaluate.exclude_seen)
    prepared = Prepared(corpus, data, store)
    check_data(methods, cfg.evaluate.ask, corpus)
    views = view_methods(cfg.ids, cfg.methods)
    named = {method.semantic_ids for method in methods.values()}
    ids = {
        name: build_ids(config, views[name], prepared, cfg.repeats)
        for name, config in cfg.ids.items()
        if name in named
    }
    fitted: dict[str, list[Fitted]] = {}
    for name in in_order(methods):
        fitted[name] = fit_method(methods[name], prepared, Among(ids, fitted), cfg.repeats)
    serving = {
        name: cfg.evaluate.serving(runs[0].method, cfg.seed, runs[0].seed)
        for name, runs in fitted.items()
    }
    answers = {
        part: {
            name: [ask_fitted(run, serving[name], prepared, part) for run in runs]
            for name, runs in fitted.items()
            if LISTS in runs[0].method.capabilities or serving[name].about(part).questions
        }
        for part in cfg.evaluate.parts
    }
    asked = {
        part: [each for runs in found.values() for each in read_asked(runs[0].path)]
        for part, found in answers.items()
    }
    references = {part: ask_references(each, prepared, fitted) for part, each in asked.items()}
    made = Outputs(ids, fitted, answers, references)
    report = store.stage(
        "report",
        partial(publish, cfg, data, corpus, made),
        config=cfg.dump(),
        code=(
            publish,
            *sorted({METHODS.target(m.kind) for m in methods.values()}),
            *map(TASKS.target, TASKS),
        ),
        inputs={"data": data, **dict(made.named())},
    )
    if not store.rank:
        show(report.path, ids, {name: runs[0] for name, runs in fitted.items()}, serving, out)


if __name__ == "__main__":
    from p5rec.cli.run import main as run

    run(__file__)
