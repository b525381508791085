"""From an interaction log to ranked lists: prepare, build ids, fit, rank, measure, report.

p5rec run sft --config my.yaml [key.sub=value ...]
accelerate launch recipes/sft.py --config my.yaml
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from p5rec.core.artefacts import Store
from p5rec.core.config import FileName, Lines, compose
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

if TYPE_CHECKING:
    from p5rec.evaluate.answers import Outputs
    from p5rec.methods.fitted import Fitted
    from p5rec.pipeline.prepared import Prepared
    from p5rec.recommend.serving import ServingConfig

SCHEMA = compose(
    "Sft",
    name=(FileName, "sft"),
    seed=(int, 0),  # of the bootstrap and of the choice of questions
    repeats=(Annotated[int, Field(ge=1)], 1),  # runs of all that is drawn; the n-th adds n to seeds
    data=DataConfig,
    ids=(dict[FileName, IdsConfig], {"semantic": IdsConfig()}),
    baselines=(tuple[str, ...], ("popularity", "item-knn", "ease", "ease-recency")),
    methods=(dict[FileName, any_method()], {}),  # type: ignore[misc]
    evaluate=(EvaluateConfig, EvaluateConfig()),
    notes=(tuple[str, ...], ()),  # what a reader of the report must know
)


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


def main(cfg: Any, store: Store, out: Path, jobs: int | None = 1) -> None:
    """Every stage; each is kept and made again only if something it needs changed.

    Args:
        jobs: stages made in parallel; None: as many as cores and memory allow.
    """
    # imported here, for they take seconds: what is wrong with a config is told before
    from p5rec.pipeline.jobs import Work
    from p5rec.pipeline.parallel import allowed, in_parallel
    from p5rec.pipeline.prepared import Prepared
    from p5rec.report.publish import first_table, publish, show

    methods = methods_of(cfg)
    data = prepare_data(cfg.data, store)
    corpus = load_corpus(data.path).validated(exclude_seen=cfg.evaluate.exclude_seen)
    check_data(methods, cfg.evaluate.ask, corpus)

    def first(prepared: Prepared, names: Sequence[str]) -> None:
        print(first_table(cfg, corpus, outputs(cfg, prepared, names)), flush=True)

    work = Work(cfg, Prepared(corpus, data, store))
    with in_parallel(work, Path(__file__), allowed(jobs, corpus), first) as prepared:
        made = outputs(cfg, prepared, in_order(methods))
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
        fitted = {name: runs[0] for name, runs in made.fitted.items()}
        show(report.path, made.ids, fitted, serving_of(cfg, made.fitted), out)


def outputs(cfg: Any, prepared: Prepared, names: Sequence[str]) -> Outputs:
    """Semantic ids, the fitted methods ``names`` and what they and reference baselines answer.

    Args:
        names: each after the method that it begins from.
    """
    from p5rec.evaluate.answers import Outputs
    from p5rec.pipeline.answers import ask_fitted, ask_references
    from p5rec.pipeline.fitting import Among, fit_method
    from p5rec.pipeline.ids import build_ids
    from p5rec.recommend.model_answers import read_asked

    methods = methods_of(cfg)
    views = view_methods(cfg.ids, cfg.methods)
    named = {methods[name].semantic_ids for name in names}
    ids = {
        name: build_ids(config, views[name], prepared, cfg.repeats)
        for name, config in cfg.ids.items()
        if name in named
    }
    fitted: dict[str, list[Fitted]] = {}
    for name in names:
        fitted[name] = fit_method(methods[name], prepared, Among(ids, fitted), cfg.repeats)
    serving = serving_of(cfg, fitted)
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
    references = {part: ask_references(each, prepared, methods) for part, each in asked.items()}
    return Outputs(ids, fitted, answers, references)


def serving_of(cfg: Any, fitted: Mapping[str, Sequence[Fitted]]) -> dict[str, ServingConfig]:
    """How each of the methods is queried."""
    return {
        name: cfg.evaluate.serving(runs[0].method, cfg.seed, runs[0].seed)
        for name, runs in fitted.items()
    }


if __name__ == "__main__":
    from p5rec.cli.run import main as run

    run(__file__)
