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
from p5rec.methods.base import LISTS
from p5rec.methods.registry import any_method, fitted_alone, generative
from p5rec.tasks.registry import TASKS
from p5rec.train.checks import check_methods, check_tasks, in_order

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
    all_of(lambda: check_files(cfg.data), lambda: check_methods(generative(cfg.methods), cfg.ids))


def main(cfg: Any, store: Store, out: Path) -> None:
    """Every stage in order; each is kept and made again only if something it needs changed."""
    # imported here, for they take seconds: what is wrong with a config is told before
    from p5rec.evaluate.answers import Outputs
    from p5rec.methods.folder import saved_files
    from p5rec.methods.queries import questions
    from p5rec.models.linear import linear_file
    from p5rec.pipeline.answers import ask_model, ask_references, list_fitted, question_fitted
    from p5rec.pipeline.fitting import fit_method
    from p5rec.pipeline.training import build_ids, fit_linear, teach
    from p5rec.recommend.model_answers import read_asked
    from p5rec.recommend.serving import served_files
    from p5rec.report.publish import publish, show

    trained = generative(cfg.methods)
    order = in_order(trained)
    data = prepare_data(cfg.data, store)
    corpus = load_corpus(data.path)
    check_tasks(trained, cfg.evaluate.ask, corpus)
    again = range(cfg.repeats)
    ids = {
        name: [build_ids(config.reseeded(n), corpus, data, store) for n in again]
        for name, config in cfg.ids.items()
        if any(method.ids == name for method in trained.values())
    }
    fitted = {
        name: fit_method(method, corpus, data, store, cfg.repeats)
        for name, method in fitted_alone(cfg).items()
    }
    lists = {"k": cfg.evaluate.k, "exclude_seen": cfg.evaluate.exclude_seen}
    answers = {
        part: {
            name: [list_fitted(run, corpus, data, store, part=part, **lists) for run in runs]
            for name, runs in fitted.items()
            if LISTS in runs[0].method.capabilities
        }
        for part in cfg.evaluate.parts
    }
    models: dict[str, list[Artefact]] = {}
    serving: dict[str, ServingConfig] = {
        name: cfg.evaluate.fitted(runs[0].method, cfg.seed, corpus.split.seed)
        for name, runs in fitted.items()
    }
    linear: dict[str, list[Artefact | None]] = {}
    for name in order:
        method = trained[name]
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
    asked = {
        part: [each for runs in found.values() for each in read_asked(runs[0].path)]
        for part, found in answers.items()
    }
    put = [
        (name, questions(runs[0].method, corpus, task, "test", n, cfg.seed))
        for name, runs in fitted.items()
        for task, n in serving[name].questions.items()
        if "test" in asked
    ]
    if put:
        asked["test"] += [each for _, each in put]
    references = {
        part: ask_references(each, corpus, data, store, fitted) for part, each in asked.items()
    }
    for name, each in put:
        made_by = question_fitted(name, fitted[name][0], each, corpus, data, store)
        references["test"].append(made_by)
    facts = {name: [run.about for run in runs] for name, runs in fitted.items()}
    made = Outputs(ids, models, facts, answers, references)
    report = store.stage(
        "report",
        partial(publish, cfg, data, corpus, made),
        config=cfg.dump(),
        code=(publish, *map(TASKS.target, TASKS)),
        inputs={"data": data, **dict(made.named())},
    )
    folders = {
        name: (
            partial(
                served_files, runs[0].path / "bundle", linear_file(linear[name][0]),
                serving[name], corpus.catalog.titles,
            ),
            runs[0],
        )
        for name, runs in models.items()
    }  # fmt: skip
    folders |= {
        name: (
            partial(saved_files, runs[0].method, runs[0].folder, serving[name], corpus.catalog),
            runs[0].made,
        )
        for name, runs in fitted.items()
    }
    if not store.rank:
        show(report.path, ids, folders, out)


if __name__ == "__main__":
    from p5rec.cli.run import main as run

    run(__file__)
