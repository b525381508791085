"""``p5rec evaluate``: measure a trained model, or ranked lists that anybody made."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from p5rec.core.errors import UserError
from p5rec.core.terminal import printable

from .asking import Around, SearchOptions, saved_as
from .options import MODEL, spread

if TYPE_CHECKING:
    from p5rec.core.types import Corpus
    from p5rec.evaluate.assemble import Rules
    from p5rec.evaluate.measured import Measured
    from p5rec.evaluate.schema import Sample

    from .asking import Saved

app = typer.Typer(add_completion=False, rich_markup_mode=None)

SplitName = Literal["test", "valid"]


@dataclass(frozen=True, kw_only=True)
class Source(Around):
    """What is measured, and the data that it is measured on."""

    model: Annotated[Path | None, typer.Option(help=MODEL)] = None
    lists: Annotated[
        Path | None,
        typer.Option(
            help="Instead: a table file (.csv, .tsv, .parquet, .jsonl) with columns user, rank "
            "(from 1), item, and score if there is one."
        ),
    ] = None
    allow_seen: Annotated[
        bool,
        typer.Option(
            "--allow-seen",
            help="Measure a model that learned from the events it is measured on; the report says "
            "so.",
        ),
    ] = False

    other_items: Annotated[
        bool,
        typer.Option(
            "--other-items",
            help="Measure the lists of a model that knows other items than the data: what it does "
            "not know is left out of histories, and is a miss where it is asked for.",
        ),
    ] = False

    def check(self) -> None:
        """
        Raises:
            UserError: there is neither a model nor a file of lists, or both.
        """
        if (self.model is None) == (self.lists is None):
            got = "neither" if self.model is None else "both"
            raise UserError(f"expected --model FOLDER or --lists FILE, got {got}; give one of them")


@dataclass(frozen=True)
class Figures:
    """What was measured.

    Attributes:
        measured: every method on every task.
        rules: those of the measuring.
        about: what the manifest says of it.
        notes, samples: of the report.
    """

    measured: list[Measured]
    rules: Rules
    about: dict[str, Any]
    notes: list[str]
    samples: list[Sample]


@app.command()
@spread
def evaluate(
    source: Source,
    search: SearchOptions,
    prompts: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FAMILY=N",
            help="Put N questions of a prompt family to the model, in place of those that its "
            "run put to it; repeatable: --prompts rating=500.",
        ),
    ] = None,
    on: Annotated[SplitName, typer.Option(help="The held-out events to measure on.")] = "test",
    k: Annotated[int | None, typer.Option(min=5, help="Items a list of the model.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Also write report.html, report.md, report.json and plots there."),
    ] = None,
) -> None:
    """Measure a trained model, or ranked lists of any origin, over a recipe's held-out events.

    A model is asked as it was when its run's report measured it (method.json in its folder); the
    options from --search to --k take the place of single settings, and the report's manifest says
    which.

    Lists are measured against the whole catalogue; a user without a list counts as a miss.
    Intervals are 95 % bootstrap intervals over users.
    """
    source.check()
    model, lists = source.model, source.lists
    if lists is not None and prompts:
        raise UserError(
            f"expected --prompts beside --model only, got {prompts[0]!r}; lists cannot answer"
        )
    from p5rec.core.errors import all_of

    from .inputs import check_model, check_tables, config_beside, read_recipe
    from .outputs import check_folder

    asked = None if prompts is None else _questions(prompts)
    path = config_beside(model, source.config)
    all_of(
        lambda: check_model(model, source.ids),
        lambda: check_tables(lists),
        *([partial(check_folder, out)] if out else []),
    )
    saved = None
    if model is not None:
        others = {"k": k, "exclude_seen": search.exclude_seen, "prompts": asked}
        saved = saved_as(model, search.settings(k), **others)
    started = time.perf_counter()
    recipe, corpus = read_recipe(path, source.overrides or [])
    from p5rec.api.measuring import write
    from p5rec.evaluate.assemble import assemble
    from p5rec.report.terminal import table

    found = (
        _of_lists(lists, corpus, on, recipe.seed)
        if saved is None
        else _of_model(source, saved, corpus, on, recipe.seed)
    )
    report = assemble(
        corpus,
        found.measured,
        found.rules,
        seconds=time.perf_counter() - started,
        manifest={
            "command": shlex.join(["p5rec", *sys.argv[1:]]),
            "data": recipe.data.dump(),
            "measured": str(lists or model),
            "split": on,
            **found.about,
        },
        notes=found.notes,
        samples=found.samples,
    )
    if out is not None:
        write(report, found.measured, corpus, out)
    print(table(report))
    for note in report.notes:
        print(f"note: {printable(note)}")
    if out is not None:
        print(f"\nreport  {out}/report.html   (text: {out}/report.md, numbers: {out}/report.json)")


def _of_lists(path: Path | None, corpus: Corpus, on: SplitName, seed: int) -> Figures:
    from p5rec.api.measuring import measure_imported
    from p5rec.core.artefacts import file_sha256
    from p5rec.evaluate.assemble import Rules
    from p5rec.recommend.imported import read_file

    assert path is not None, "checked when the options were"
    about = {"file": str(path), "sha256": file_sha256(path)}
    found = measure_imported(path.stem, read_file(path), path, corpus, on, seed, about)
    rules = Rules(seed, exclude_seen=found.exclude_seen, ours=False)
    return Figures([found.measured], rules, {}, found.notes, found.samples)


def _of_model(source: Source, saved: Saved, corpus: Corpus, on: SplitName, seed: int) -> Figures:
    """The figures of a fitted method.

    Args:
        saved: see :func:`~p5rec.cli.asking.saved_as`.
        seed: of the bootstrap.
    """
    from p5rec.api.measuring import check_unseen, codes_for, known_items, measure, over
    from p5rec.core.artefacts import Store
    from p5rec.evaluate.answers import Answered
    from p5rec.evaluate.assemble import Rules
    from p5rec.methods.answering import predict
    from p5rec.methods.base import LISTS
    from p5rec.methods.provenance import read_provenance
    from p5rec.pipeline.prepared import Prepared

    folder, (method, serving, given, notes) = source.model, saved
    assert folder is not None, "checked when the options were"
    if LISTS in method.capabilities and "questions" not in given:
        serving = serving.about(on)
    method.check_asked(serving.prompts)
    name, codes = folder.resolve().name, source.ids or folder / "codes"
    notes = [*notes, *known_items(name, folder, corpus, source.ids, source.other_items)]
    notes = [*notes, *check_unseen(name, folder, corpus, on, allow_seen=source.allow_seen)]
    told: dict[str, Any] = {"method": method.dump()}
    if (made := read_provenance(folder)) is not None:
        notes.append(made.sentence(name))
        told["provenance"] = made.facts()
    predictor = method.opened(folder, source.ids, download=source.allow_download)
    predictor, serving = over(predictor, serving, folder, corpus, source.ids)
    with TemporaryDirectory() as work:
        answers, store = Path(work) / "answers", Store(Path(work) / "beside", say=lambda _: None)
        answers.mkdir()
        predict(method, predictor, serving, corpus, on, answers)
        about = {"train_seconds": 0.0}
        answered = Answered(name, answers, method, codes_for(codes, corpus), about)
        beside = Prepared(corpus, "", store)
        measured, samples = measure({name: [answered]}, beside, on, seed)
    told |= {"serving": serving.dump(), "overridden": given}
    return Figures(measured, Rules(seed, exclude_seen=serving.exclude_seen), told, notes, samples)


def _questions(words: list[str]) -> dict[str, int]:
    """``family=n`` words as a mapping."""
    found = {}
    for word in words:
        family, _, count = word.partition("=")
        if not family or not count.isdigit() or int(count) < 1:
            raise UserError(f"--prompts: expected FAMILY=N, got {word!r}; write rating=500")
        found[family] = int(count)
    return found
