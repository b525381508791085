"""``p5rec evaluate``: evaluates a trained model, or ranked lists of any origin."""

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

from .options import MODEL, spread
from .serving import DataOptions, SearchOptions, saved_settings

if TYPE_CHECKING:
    from p5rec.core.types import Corpus
    from p5rec.evaluate.assemble import Rules
    from p5rec.evaluate.measured import Measured
    from p5rec.evaluate.schema import Sample

    from .serving import Saved

app = typer.Typer(add_completion=False, rich_markup_mode=None)

SplitName = Literal["test", "valid"]


@dataclass(frozen=True, kw_only=True)
class Source(DataOptions):
    """The model or lists to evaluate, and the data."""

    model: Annotated[Path | None, typer.Option(help=MODEL)] = None
    lists: Annotated[
        Path | None,
        typer.Option(
            help="Instead of a model: a table file (.csv, .tsv, .parquet, .jsonl) with columns "
            "user, rank (from 1), item, and optionally score."
        ),
    ] = None
    allow_seen: Annotated[
        bool,
        typer.Option(
            "--allow-seen",
            help="Evaluate a model even if it was fitted to the held-out events; the report has a "
            "note.",
        ),
    ] = False

    other_items: Annotated[
        bool,
        typer.Option(
            "--other-items",
            help="Evaluate the lists of a model whose items differ from those of the data: "
            "histories skip items that it does not know, and such targets count as misses.",
        ),
    ] = False

    def check(self) -> None:
        """
        Raises:
            UserError: there is neither a model nor a file of lists, or both.
        """
        if (self.model is None) == (self.lists is None):
            got = "neither" if self.model is None else "both"
            raise UserError(f"expected --model FOLDER or --lists FILE, got {got}; name one of them")


@dataclass(frozen=True)
class Results:
    """The results of the evaluation.

    Attributes:
        measured: every method on every task.
        rules: the evaluation protocol.
        about: facts for the manifest.
        notes, samples: for the report.
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
            help="Number of queries of a prompt family, or all, instead of the saved setting; "
            "repeatable: --prompts rating=500.",
        ),
    ] = None,
    on: Annotated[SplitName, typer.Option(help="The held-out split.")] = "test",
    k: Annotated[
        int | None, typer.Option(min=5, help="Length of the model's ranked lists.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for report.html, report.md, report.json and plots."),
    ] = None,
) -> None:
    """Evaluate a trained model, or ranked lists of any origin, on a recipe's held-out events.

    The settings are those of the run's own evaluation, saved in the model's folder. The options
    from --search to --k override single settings, and the report's manifest names them.

    Lists rank the full catalogue; a user without a list counts as a miss. Intervals are 95 %
    bootstrap intervals over users.
    """
    source.check()
    model, lists = source.model, source.lists
    if lists is not None and prompts:
        raise UserError(
            f"expected --prompts with --model only, got {prompts[0]!r}; leave it out with --lists"
        )
    from p5rec.core.errors import all_of

    from .inputs import check_model, check_tables, config_beside, read_recipe
    from .outputs import check_folder

    queries = None if prompts is None else _queries(prompts)
    path = config_beside(model, source.config)
    all_of(
        lambda: check_model(model, source.ids),
        lambda: check_tables(lists),
        *([partial(check_folder, out)] if out else []),
    )
    saved = None
    if model is not None:
        others = {"k": k, "exclude_seen": search.exclude_seen, "prompts": queries}
        saved = saved_settings(model, search.settings(k), **others)
    started = time.perf_counter()
    recipe, corpus = read_recipe(path, source.overrides or [])
    from p5rec.api.measuring import write
    from p5rec.evaluate.assemble import assemble
    from p5rec.report.terminal import table

    results = (
        _of_lists(lists, corpus, on, recipe.seed)
        if saved is None
        else _of_model(source, saved, corpus, on, recipe.seed)
    )
    report = assemble(
        corpus,
        results.measured,
        results.rules,
        seconds=time.perf_counter() - started,
        manifest={
            "command": shlex.join(["p5rec", *sys.argv[1:]]),
            "data": recipe.data.dump(),
            "measured": str(lists or model),
            "split": on,
            **results.about,
        },
        notes=results.notes,
        samples=results.samples,
    )
    if out is not None:
        write(report, results.measured, corpus, out)
    print(table(report))
    for note in report.notes:
        print(f"note: {printable(note)}")
    if out is not None:
        print(f"\nreport  {out}/report.html   (text: {out}/report.md, numbers: {out}/report.json)")


def _of_lists(path: Path | None, corpus: Corpus, on: SplitName, seed: int) -> Results:
    from p5rec.api.measuring import measure_imported
    from p5rec.core.artefacts import file_sha256
    from p5rec.evaluate.assemble import Rules
    from p5rec.recommend.imported import read_file

    assert path is not None, "checked when the options were"
    about = {"file": str(path), "sha256": file_sha256(path)}
    imported = measure_imported(path.stem, read_file(path), path, corpus, on, seed, about)
    rules = Rules(seed, exclude_seen=imported.exclude_seen, own=False)
    return Results([imported.measured], rules, {}, imported.notes, imported.samples)


def _of_model(source: Source, saved: Saved, corpus: Corpus, on: SplitName, seed: int) -> Results:
    """The results of a fitted method.

    Args:
        source: the model and the data.
        saved: see :func:`~p5rec.cli.serving.saved_settings`.
        corpus: the data set.
        on: the held-out split.
        seed: seed of the bootstrap.
    """
    from p5rec.api.measuring import check_lineage, codes_for, item_notes, match_catalog, measure
    from p5rec.core.artefacts import Store
    from p5rec.evaluate.assemble import Rules
    from p5rec.evaluate.predictions import MethodPredictions
    from p5rec.methods.base import LISTS
    from p5rec.methods.predicting import predict
    from p5rec.methods.provenance import read_provenance
    from p5rec.pipeline.prepared import Prepared

    folder, (method, serving, overridden, notes) = source.model, saved
    assert folder is not None, "checked when the options were"
    if LISTS in method.capabilities and "prompts" not in overridden:
        serving = serving.about(on)
    method.check_prompts(serving.prompts)
    name, codes = folder.resolve().name, source.ids or folder / "codes"
    notes = [*notes, *item_notes(name, folder, corpus, source.ids, source.other_items)]
    notes = [*notes, *check_lineage(name, folder, corpus, on, allow_seen=source.allow_seen)]
    facts: dict[str, Any] = {"method": method.dump()}
    if (provenance := read_provenance(folder)) is not None:
        notes.append(provenance.sentence(name))
        facts["provenance"] = provenance.facts()
    predictor = method.open_predictor(folder, source.ids, download=source.allow_download)
    predictor, serving = match_catalog(predictor, serving, folder, corpus, source.ids)
    with TemporaryDirectory() as work:
        written, store = (
            Path(work) / "predictions",
            Store(Path(work) / "store", notify=lambda _: None),
        )
        written.mkdir()
        predict(method, predictor, serving, corpus, on, written)
        about = {"train_seconds": 0.0}
        predictions = MethodPredictions(name, written, method, codes_for(codes, corpus), about)
        prepared = Prepared(corpus, "", store)
        measured, samples = measure({name: [predictions]}, prepared, on, seed)
    facts |= {"serving": serving.dump(), "overridden": overridden}
    return Results(measured, Rules(seed, exclude_seen=serving.exclude_seen), facts, notes, samples)


def _queries(words: list[str]) -> dict[str, int | str]:
    """``family=n`` words as a mapping."""
    queries: dict[str, int | str] = {}
    for word in words:
        family, _, count = word.partition("=")
        if not family or (count != "all" and (not count.isdigit() or int(count) < 1)):
            todo = "write rating=500 or rating=all"
            raise UserError(f"--prompts: expected FAMILY=N, got {word!r}; {todo}")
        queries[family] = count if count == "all" else int(count)
    return queries
