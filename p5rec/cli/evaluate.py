"""``p5rec evaluate``: measure a trained model, or ranked lists that anybody made."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from p5rec.core.errors import UserError

from .inputs import ALLOW_DOWNLOAD

if TYPE_CHECKING:
    from p5rec.core.types import Corpus
    from p5rec.evaluate.measure import Measured

app = typer.Typer(add_completion=False, rich_markup_mode=None)

Part = Literal["test", "valid"]
SAMPLES = 10


@app.command()
def evaluate(
    config: Annotated[Path, typer.Option(help="A recipe; its data section gives the split.")],
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
            help="Also put N questions of a prompt family to the model; "
            "repeatable: --ask rating=500.",
        ),
    ] = None,
    part: Annotated[Part, typer.Option(help="The held-out events to measure on.")] = "test",
    k: Annotated[int, typer.Option(min=5, help="Items a list of the model.")] = 20,
    beams: Annotated[
        int, typer.Option(min=1, help="Code prefixes the model's search keeps, k at least.")
    ] = 50,
    out: Annotated[
        Path | None,
        typer.Option(help="Also write report.html, report.md, report.json and plots there."),
    ] = None,
    allow_download: Annotated[bool, ALLOW_DOWNLOAD] = False,
) -> None:
    """Measure a trained model, or ranked lists of any origin, over a recipe's held-out events.

    Lists are measured against the whole catalogue; a user without a list counts as a miss.
    Intervals are 95 % bootstrap intervals over users.
    """
    if (model is None) == (lists is None):
        got = "neither" if model is None else "both"
        raise UserError(f"expected --model FOLDER or --lists FILE, got {got}; give one of them")
    if lists is not None and ask:
        raise UserError(f"expected --ask beside --model only, got {ask[0]!r}; lists cannot answer")
    from p5rec.core.artefacts import lay_out
    from p5rec.evaluate.per_user import write_cases
    from p5rec.evaluate.report import write_report
    from p5rec.evaluate.run import assemble
    from p5rec.evaluate.terminal import table

    from .inputs import read_recipe

    started = time.perf_counter()
    recipe, corpus = read_recipe(config, overrides or [])
    if lists is not None:
        found = _of_lists(lists, corpus, part, recipe.seed)
    else:
        assert model is not None
        found = _of_model(
            model, ids, corpus, _questions(ask or []), part, recipe.seed, k, beams,
            allow_download=allow_download,
        )  # fmt: skip
    measured, settings = found
    report = assemble(
        corpus,
        measured,
        seconds=time.perf_counter() - started,
        seed=recipe.seed,
        manifest={
            "command": shlex.join(["p5rec", *sys.argv[1:]]),
            "data": recipe.data.dump(),
            "measured": str(lists or model),
            "part": part,
        },
        **settings,
    )
    if out is not None:
        with TemporaryDirectory() as made:
            write_report(report, Path(made))
            write_cases(measured, corpus, Path(made))
            lay_out({path.name: path for path in Path(made).iterdir()}, out)
    print(table(report))
    for note in report.notes:
        print(f"note: {note}")
    if out is not None:
        print(f"\nreport  {out}/report.html   (text: {out}/report.md, numbers: {out}/report.json)")


def _of_lists(
    path: Path, corpus: Corpus, part: Part, seed: int
) -> tuple[list[Measured], dict[str, Any]]:
    from p5rec.core.artefacts import file_sha256
    from p5rec.evaluate.run import measure_lists
    from p5rec.evaluate.samples import list_samples
    from p5rec.recommend.imported import import_lists, lists_seen

    lists, notes = import_lists(path, corpus, part)
    about = {"file": str(path), "sha256": file_sha256(path)}
    measured = [measure_lists(path.stem, lists, corpus, about, seed, part)]
    return measured, {
        "notes": notes,
        "ours": False,
        "exclude_seen": not lists_seen(lists, corpus, part),
        "samples": list_samples(path.stem, lists, corpus, SAMPLES, seed, part),
    }


def _of_model(
    folder: Path,
    ids: Path | None,
    corpus: Corpus,
    families: dict[str, int],
    part: Part,
    seed: int,
    k: int,
    beams: int,
    *,
    allow_download: bool,
) -> tuple[list[Measured], dict[str, Any]]:
    from p5rec.evaluate.publish import measure_answers, references
    from p5rec.recommend.config import DecodeConfig
    from p5rec.recommend.stages import answer_model
    from p5rec.recommend.taught import check_taught

    from .inputs import learned_elsewhere, read_model

    decode = DecodeConfig(k=k, beams=max(beams, k))
    bundle = read_model(folder, corpus, decode.precision, ids, download=allow_download)
    for family in families:
        check_taught(bundle, family)
    if "dense" not in bundle.settings.tasks and not families:
        check_taught(bundle, "dense")
    name = folder.resolve().name
    with TemporaryDirectory() as made:
        answers = Path(made)
        answer_model(name, bundle, decode, corpus, part, answers, k=k, families=families, seed=seed)
        measured, samples = measure_answers(
            name, answers, corpus, bundle.layout.codes, part, seed=seed, about={}, shown=SAMPLES
        )
        measured += references([answers], corpus, part, seed)
    return measured, {"samples": samples, "notes": learned_elsewhere(folder, corpus)}


def _questions(words: list[str]) -> dict[str, int]:
    """``family=n`` words as a mapping."""
    found = {}
    for word in words:
        family, _, count = word.partition("=")
        if not family or not count.isdigit() or int(count) < 1:
            raise UserError(f"--ask: expected FAMILY=N, got {word!r}; write rating=500")
        found[family] = int(count)
    return found
