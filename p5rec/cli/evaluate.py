"""``p5rec evaluate``: measure a trained model, or ranked lists that anybody made."""

from __future__ import annotations

import shlex
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from p5rec.core.errors import UserError
from p5rec.core.terminal import printable

from .asking import (
    Beams,
    ItemWeight,
    LinearWeight,
    PerPrefix,
    Precision,
    Search,
    WithSeen,
    asked_as,
    check_weighed,
)
from .inputs import ALLOW_DOWNLOAD

if TYPE_CHECKING:
    from p5rec.core.types import Corpus
    from p5rec.evaluate.assemble import Rules
    from p5rec.evaluate.measured import Measured
    from p5rec.evaluate.schema import Sample
    from p5rec.recommend.serving import ServingConfig

app = typer.Typer(add_completion=False, rich_markup_mode=None)

Part = Literal["test", "valid"]
SAMPLES = 10


@app.command()
def evaluate(
    config: Annotated[
        str | None,
        typer.Option(
            help="A YAML file, a shipped config's name, or a run's folder, whose data section "
            "gives the split; default: the run that the model lies in."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="On top of the config: data.path=new.csv."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="A model's folder: RUN_FOLDER/models/METHOD.")
    ] = None,
    ids: Annotated[
        Path | None,
        typer.Option(help="Codes that extend the model's own to new items: `p5rec ids extend`."),
    ] = None,
    lists: Annotated[
        Path | None,
        typer.Option(
            help="Instead: a table file (.csv, .tsv, .parquet, .jsonl) with columns user, rank "
            "(from 1), item, and score if there is one."
        ),
    ] = None,
    ask: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FAMILY=N",
            help="Put N questions of a prompt family to the model, in place of those that its "
            "run put to it; repeatable: --ask rating=500.",
        ),
    ] = None,
    part: Annotated[Part, typer.Option(help="The held-out events to measure on.")] = "test",
    k: Annotated[int | None, typer.Option(min=5, help="Items a list of the model.")] = None,
    search: Search = None,
    beams: Beams = None,
    per_prefix: PerPrefix = None,
    item_weight: ItemWeight = None,
    linear_weight: LinearWeight = None,
    precision: Precision = None,
    with_seen: WithSeen = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Also write report.html, report.md, report.json and plots there."),
    ] = None,
    allow_download: Annotated[bool, ALLOW_DOWNLOAD] = False,
) -> None:
    """Measure a trained model, or ranked lists of any origin, over a recipe's held-out events.

    A model is asked as it was when its run's report measured it (method.json in its folder); the
    options from --ask on take the place of single settings, and the report's manifest says which.

    Lists are measured against the whole catalogue; a user without a list counts as a miss.
    Intervals are 95 % bootstrap intervals over users.
    """
    if (model is None) == (lists is None):
        got = "neither" if model is None else "both"
        raise UserError(f"expected --model FOLDER or --lists FILE, got {got}; give one of them")
    if lists is not None and ask:
        raise UserError(f"expected --ask beside --model only, got {ask[0]!r}; lists cannot answer")
    from p5rec.core.errors import all_of

    from .inputs import check_model, check_tables, config_beside, read_recipe
    from .outputs import check_folder

    asked = None if ask is None else _questions(ask)
    path = config_beside(model, config)
    all_of(
        lambda: check_model(model, ids),
        lambda: check_tables(lists),
        *([partial(check_folder, out)] if out else []),
    )
    started = time.perf_counter()
    recipe, corpus = read_recipe(path, overrides or [])
    from p5rec.core.publishing import lay_out
    from p5rec.evaluate.assemble import assemble
    from p5rec.evaluate.per_user import write_cases
    from p5rec.report.files import write_report
    from p5rec.report.terminal import table

    if lists is not None:
        found = _of_lists(lists, corpus, part, recipe.seed)
    else:
        assert model is not None
        seen = None if with_seen is None else not with_seen
        decode = {
            "k": k, "search": search, "beams": beams, "per_prefix": per_prefix,
            "item_weight": item_weight, "linear_weight": linear_weight, "precision": precision,
        }  # fmt: skip
        others = {"k": k, "exclude_seen": seen, "questions": asked}
        found = _of_model(
            model, ids, corpus, part, recipe.seed, decode, others, download=allow_download
        )
    measured, rules, about, shown = found
    report = assemble(
        corpus,
        measured,
        rules,
        seconds=time.perf_counter() - started,
        manifest={
            "command": shlex.join(["p5rec", *sys.argv[1:]]),
            "data": recipe.data.dump(),
            "measured": str(lists or model),
            "part": part,
            **about,
        },
        **shown,
    )
    if out is not None:
        with TemporaryDirectory() as made:
            write_report(report, Path(made))
            write_cases(measured, corpus, Path(made))
            lay_out({path.name: path for path in Path(made).iterdir()}, out)
    print(table(report))
    for note in report.notes:
        print(f"note: {printable(note)}")
    if out is not None:
        print(f"\nreport  {out}/report.html   (text: {out}/report.md, numbers: {out}/report.json)")


def _of_lists(
    path: Path, corpus: Corpus, part: Part, seed: int
) -> tuple[list[Measured], Rules, dict[str, Any], dict[str, Any]]:
    from p5rec.core.artefacts import file_sha256
    from p5rec.evaluate.answers import measure_lists
    from p5rec.evaluate.assemble import Rules
    from p5rec.evaluate.samples import list_samples
    from p5rec.recommend.imported import import_lists, lists_seen

    lists, notes = import_lists(path, corpus, part)
    about = {"file": str(path), "sha256": file_sha256(path)}
    measured = [measure_lists(path.stem, lists, corpus, about, seed, part)]
    rules = Rules(seed, exclude_seen=not lists_seen(lists, corpus, part), ours=False)
    samples = list_samples(path.stem, lists, corpus, SAMPLES, seed, part)
    return measured, rules, {}, {"notes": notes, "samples": samples}


def _of_model(
    folder: Path,
    ids: Path | None,
    corpus: Corpus,
    part: Part,
    seed: int,
    decode: dict[str, Any],
    others: dict[str, Any],
    *,
    download: bool,
) -> tuple[list[Measured], Rules, dict[str, Any], dict[str, Any]]:
    """Figures of a model, their rules, what the manifest says of them, and parts of the report.

    Args:
        seed: of the bootstrap.
        decode, others: what options set (see :func:`~p5rec.cli.asking.asked_as`).
        download: whether the backbone that the folder names may be fetched.
    """
    from p5rec.core.artefacts import Store
    from p5rec.evaluate.answers import list_references, measure_answers
    from p5rec.evaluate.assemble import Rules
    from p5rec.evaluate.families import measure_reference
    from p5rec.methods.folder import is_fitted
    from p5rec.pipeline.answers import ask_references
    from p5rec.recommend.capabilities import check_taught
    from p5rec.recommend.model_answers import answer_model, read_asked
    from p5rec.tasks.view import unnamed_view

    from .inputs import learned_elsewhere, read_model

    serving, overridden, notes = asked_as(folder, decode, **others)
    if is_fitted(folder):
        return _of_fitted(folder, ids, corpus, part, seed, serving, overridden)
    if "questions" not in overridden:
        serving = serving.about(part)
    bundle = read_model(folder, corpus, serving.decode.precision, ids, download=download)
    check_weighed(bundle, decode)
    for family in serving.questions:
        check_taught(bundle, family)
    if "dense" not in bundle.settings.tasks and not serving.questions:
        check_taught(bundle, "dense")
    name = folder.resolve().name
    with TemporaryDirectory() as made:
        answers = Path(made) / "answers"
        answers.mkdir()
        answer_model(name, bundle, serving, corpus, part, answers)
        measured, samples = measure_answers(
            name, answers, corpus, bundle.layout.codes, part, seed=seed, about={}, shown=SAMPLES
        )
        beside = Store(Path(made) / "references", say=lambda _: None)
        run = {"split": part, "seed": seed}
        for reference in ask_references(read_asked(answers), corpus, "", beside):
            measured.append(measure_reference(reference, unnamed_view(corpus), run))
        facts = {name: {"train_seconds": 0.0}}
        measured += list_references({name: [answers]}, corpus, part, seed, facts, {})
    about = {"serving": serving.dump(), "overridden": overridden}
    notes += learned_elsewhere(folder, corpus)
    rules = Rules(seed, exclude_seen=serving.exclude_seen)
    return measured, rules, about, {"notes": notes, "samples": samples}


def _of_fitted(
    folder: Path,
    ids: Path | None,
    corpus: Corpus,
    part: Part,
    seed: int,
    serving: ServingConfig,
    overridden: list[str],
) -> tuple[list[Measured], Rules, dict[str, Any], dict[str, Any]]:
    """:func:`_of_model` of a method that was fitted to the data alone."""
    from p5rec.core.artefacts import Artefact
    from p5rec.evaluate.answers import measure_answers
    from p5rec.evaluate.assemble import Rules
    from p5rec.evaluate.families import Reference, measure_reference
    from p5rec.methods.base import LISTS
    from p5rec.methods.folder import read_method
    from p5rec.methods.queries import answer_questions, questions
    from p5rec.recommend.list_files import answer
    from p5rec.tasks.view import unnamed_view

    from .inputs import learned_elsewhere

    method, name, seen = read_method(folder, corpus), folder.resolve().name, serving.exclude_seen
    if ids is not None or not {*serving.questions} <= {*method.tasks}:
        raise UserError(
            f"expected --model FOLDER alone, got {'--ids' if ids else '--ask'} beside a "
            f"{method.kind}, which knows no codes and no such questions; leave it out"
        )
    about = {"train_seconds": 0.0}
    measured: list[Measured] = []
    samples: list[Sample] = []
    with TemporaryDirectory() as made:
        if LISTS in method.capabilities:
            answers = Path(made)
            lists = method.load(folder)
            answer(lists, corpus, part, serving.k, answers, {}, exclude_seen=seen)
            measured, samples = measure_answers(
                name, answers, corpus, None, part, seed=seed, about=about, shown=SAMPLES
            )
        run = {"split": part, "seed": seed}
        for task, n in serving.questions.items():
            answers = Path(made) / task
            answers.mkdir()
            asked = questions(method, corpus, task, part, n, serving.seed)
            answer_questions(method, folder, corpus, asked, answers)
            found = Reference(name, Artefact(answers, ""), about)
            measured.append(measure_reference(found, unnamed_view(corpus), run))
    about_run = {"serving": serving.dump(), "overridden": overridden}
    rules = Rules(seed, exclude_seen=seen)
    notes = learned_elsewhere(folder, corpus)
    return measured, rules, about_run, {"notes": notes, "samples": samples}


def _questions(words: list[str]) -> dict[str, int]:
    """``family=n`` words as a mapping."""
    found = {}
    for word in words:
        family, _, count = word.partition("=")
        if not family or not count.isdigit() or int(count) < 1:
            raise UserError(f"--ask: expected FAMILY=N, got {word!r}; write rating=500")
        found[family] = int(count)
    return found
