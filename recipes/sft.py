"""From an interaction log to ranked lists: prepare, build ids, train, rank, measure, report.

p5rec run sft --config my.yaml [key.sub=value ...]
accelerate launch recipes/sft.py --config my.yaml
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from p5rec.core.artefacts import Artefact, Store
from p5rec.core.config import FileName, Lines, compose
from p5rec.core.errors import all_of
from p5rec.data.config import DataConfig
from p5rec.data.prepare import check_files, load_corpus, prepare_data
from p5rec.evaluate.config import EvaluateConfig, check_names, without_dropped
from p5rec.ids.config import IdsConfig
from p5rec.train.checks import check_methods, check_tasks, in_order
from p5rec.train.method import GenerativeConfig

if TYPE_CHECKING:
    from p5rec.recommend.serving import ServingConfig

SCHEMA = compose(
    "Sft",
    name=(FileName, "sft"),
    seed=(int, 0),  # of the bootstrap and of the choice of questions
    repeats=(Annotated[int, Field(ge=1)], 1),  # runs of all that is drawn; the n-th adds n to seeds
    data=DataConfig,
    ids=(dict[FileName, IdsConfig], {"semantic": IdsConfig()}),
    baselines=(tuple[str, ...], ("popularity", "item-knn", "ease", "ease-recency")),
    methods=(dict[FileName, GenerativeConfig], {}),
    evaluate=(EvaluateConfig, EvaluateConfig()),
    notes=(tuple[str, ...], ()),  # what a reader of the report must know
)


def settle(cfg: Any, lines: Lines) -> Any:
    """``cfg`` as it will run, ``lines`` being what set each key of it."""
    return without_dropped(cfg, lines)


def check(cfg: Any, lines: Lines) -> None:
    """Whatever can be checked without the data, and before anything heavy is imported."""
    check_names(cfg, lines)
    all_of(lambda: check_files(cfg.data), lambda: check_methods(cfg.methods, cfg.ids))


def main(cfg: Any, store: Store, out: Path) -> None:
    """Every stage in order; each is kept and made again only if something it needs changed."""
    # imported here, for they take seconds: what is wrong with a config is told before
    from p5rec.recommend.stages import ask_baseline, ask_model, ask_references
    from p5rec.report.publish import publish, show
    from p5rec.train.stages import build_ids, fit_linear, teach

    order = in_order(cfg.methods)
    data = prepare_data(cfg.data, store)
    corpus = load_corpus(data.path)
    check_tasks(cfg.methods, cfg.evaluate.ask, corpus)
    again = range(cfg.repeats)
    ids = {
        name: [build_ids(config.reseeded(n), corpus, data, store) for n in again]
        for name, config in cfg.ids.items()
    }
    drawn = {
        "k": cfg.evaluate.k,
        "exclude_seen": cfg.evaluate.exclude_seen,
        "repeats": cfg.repeats,
    }
    answers = {
        part: {
            name: ask_baseline(name, corpus, data, store=store, part=part, **drawn)
            for name in cfg.baselines
        }
        for part in cfg.evaluate.parts
    }
    models: dict[str, list[Artefact]] = {}
    serving: dict[str, ServingConfig] = {}
    linear: dict[str, list[Artefact | None]] = {}
    for name in order:
        method = cfg.methods[name]
        serving[name] = cfg.evaluate.serving(method, cfg.seed, corpus.split.seed)
        models[name] = [
            teach(
                method.reseeded(n), corpus, data, ids[method.ids][n], store,
                {earlier: runs[n % len(runs)] for earlier, runs in models.items()},
            )
            for n in (again if method.train.steps else [0])  # untrained, all would be one
        ]  # fmt: skip
        linear[name] = [
            fit_linear(method.reseeded(n), corpus, data, store) for n in range(len(models[name]))
        ]
        for part, found in answers.items():
            found[name] = [
                ask_model(
                    name, serving[name].about(part), corpus, data, model, store,
                    part=part, linear=beside,
                )
                for model, beside in zip(models[name], linear[name], strict=True)
            ]  # fmt: skip
    references = {
        part: ask_references([runs[0].path for runs in found.values()], corpus, data, store)
        for part, found in answers.items()
    }
    report = store.stage(
        "report",
        partial(publish, cfg, data, corpus, ids, answers, models, references),
        config=cfg.dump(),
        code=(publish,),
        inputs={
            "data": data,
            **{
                f"{kind} {name} {n}": artefact
                for kind, made in {"ids": ids, "model": models, **answers}.items()
                for name, runs in made.items()
                for n, artefact in enumerate(runs)
            },
            **{
                f"reference {part} {n}": reference.made
                for part, found in references.items()
                for n, reference in enumerate(found)
            },
        },
    )
    if not store.rank:
        show(report.path, corpus, ids, models, linear, serving, out)


if __name__ == "__main__":
    from p5rec.cli.run import main as run

    run(__file__)
