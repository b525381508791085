"""``p5rec report``: prints a run's results, rebuilds its pages, or compares two runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from p5rec.core.errors import UserError


class _ShowsByDefault(TyperGroup):
    """A group whose default subcommand is ``show``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_ShowsByDefault,
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    subcommand_metavar="RUN_FOLDER [--rebuild] | diff A B",
    help="Print the table of a run and the paths of its pages, or compare two runs.",
)


@app.command()
def show(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_FOLDER", help="A folder with report.json, such as runs/quickstart."
        ),
    ],
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Rebuild both pages and their pictures first.")
    ] = False,
) -> None:
    """Print the table of a run and the paths of its pages; the word show is optional."""
    from p5rec.evaluate.schema import RECORD, load_report
    from p5rec.report.files import PAGE, TEXT, write_pages
    from p5rec.report.terminal import table

    report = load_report(folder)
    if rebuild:
        write_pages(report, folder)
    print(table(report))
    print(f"\npage: {folder / PAGE}\nas text: {folder / TEXT}\ndata: {folder / RECORD}")
    for caption, path in report.pictures.items():
        print(f"{caption.lower()}: {folder / path}")


@app.command()
def diff(
    first: Annotated[
        Path, typer.Argument(metavar="A", help="A run's folder, or the report.json in it.")
    ],
    second: Annotated[
        Path, typer.Argument(metavar="B", help="Another run; differences are B - A.")
    ],
    pair: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A_NAME=B_NAME",
            help="Also compare two methods with different names; repeatable.",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Print metrics side by side, without differences, if data, split or protocol "
            "differ; otherwise the command refuses.",
        ),
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Also write an HTML page to this file.")] = None,
    md: Annotated[Path | None, typer.Option(help="Also write Markdown to this file.")] = None,
) -> None:
    """Compare two runs: differences in data, protocol and config, and in every metric.

    If both runs have per_user.parquet with the same test instances, differences are paired over
    users, with 95 % intervals.
    """
    from p5rec.core.artefacts import writing
    from p5rec.core.atomic import atomic_write
    from p5rec.report import difference_pages as pages
    from p5rec.report.difference import difference, load_run

    from .outputs import check_file

    pairs = [_names(words) for words in pair or []]
    for path in (html, md):
        if path is not None:
            check_file(path)
    a, b = load_run(first), load_run(second)
    seed = (a.report.manifest.get("config") or {}).get("seed", 0)
    change = difference(a, b, pairs, seed, force=force)
    for path, render in ((html, pages.page), (md, pages.markdown)):
        if path is not None:
            with writing(path), atomic_write(path) as handle:
                handle.write(render(change))
    print(pages.text(change))


def _names(words: str) -> tuple[str, str]:
    first, sign, second = words.partition("=")
    if not (first and sign and second):
        raise UserError(f"--pair: expected A_NAME=B_NAME, got {words!r}; write small=llm")
    return first, second
