"""``p5rec report``: show a run's numbers, make its pages again, or hold two runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from p5rec.core.errors import UserError


class _ShowsByDefault(TyperGroup):
    """A folder in the place of a subcommand is one to show."""

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
    help="Print the table of a run and say where its pages are, or compare two runs.",
)


@app.command()
def show(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_FOLDER", help="The folder that holds report.json, such as runs/quickstart."
        ),
    ],
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Write both pages and their pictures anew first.")
    ] = False,
) -> None:
    """Print the table of a run and say where its pages are; the word show may be left out."""
    from p5rec.evaluate.schema import RECORD, load_report
    from p5rec.report.files import PAGE, TEXT, write_pages
    from p5rec.report.terminal import table

    found = load_report(folder)
    if rebuild:
        write_pages(found, folder)
    print(table(found))
    print(f"\npage: {folder / PAGE}\nas text: {folder / TEXT}\nrecord: {folder / RECORD}")
    for caption, path in found.pictures.items():
        print(f"{caption.lower()}: {folder / path}")


@app.command()
def diff(
    first: Annotated[
        Path, typer.Argument(metavar="A", help="A run's folder, or the report.json in it.")
    ],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another; differences are B - A.")],
    pair: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A_NAME=B_NAME",
            help="Also compare a method of A with one of B that has another name; repeatable.",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Show figures side by side, without differences, where data, split or rules "
            "differ; such runs are refused otherwise.",
        ),
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Also write a page there.")] = None,
    md: Annotated[Path | None, typer.Option(help="Also write Markdown there.")] = None,
) -> None:
    """Hold two runs side by side: what differs in data, rules and config, and in every figure.

    Where both kept per_user.parquet and asked the same questions, differences are paired over
    users, with their 95 % intervals.
    """
    from p5rec.core.artefacts import atomic_write, writing
    from p5rec.report import difference_pages as pages
    from p5rec.report.difference import difference, load_run

    from .outputs import check_file

    pairs = [_names(words) for words in pair or []]
    for place in (html, md):
        if place is not None:
            check_file(place)
    a, b = load_run(first), load_run(second)
    seed = (a.report.manifest.get("config") or {}).get("seed", 0)
    found = difference(a, b, pairs, seed, force=force)
    for path, written in ((html, pages.page), (md, pages.markdown)):
        if path is not None:
            with writing(path), atomic_write(path) as handle:
                handle.write(written(found))
    print(pages.text(found))


def _names(words: str) -> tuple[str, str]:
    first, sign, second = words.partition("=")
    if not (first and sign and second):
        raise UserError(f"--pair: expected A_NAME=B_NAME, got {words!r}; write small=llm")
    return first, second
