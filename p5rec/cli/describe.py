"""``p5rec describe``: what a model writes about points of its space."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from p5rec.core.errors import UserError
from p5rec.core.terminal import printable

from .options import MODEL

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def describe(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help=f"{MODEL} Its kind: elm.")],
    item: Annotated[list[str], typer.Option(help="The id of an item; repeatable.")],
    mean: Annotated[
        bool, typer.Option("--mean", help="One point: the mean of the items, in place of each.")
    ] = False,
    toward: Annotated[
        str | None,
        typer.Option(metavar="VALUE", help="Move along this attribute value, such as Comedy."),
    ] = None,
    steps: Annotated[
        str, typer.Option(help="The moves, in standard deviations of the items along VALUE.")
    ] = "-4,-2,0,2,4",
    family: Annotated[
        str | None, typer.Option(help="Prompt family, such as point-values. Default: descriptions.")
    ] = None,
    word: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=TEXT", help="A word of the prompt: attribute=genres."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """Describe points of a model's space in words: items, a mean of items, steps along a concept.

    The model was fitted by `p5rec run elm`. A point needs no item: between two films, or further
    towards comedy, the model reads the vector that is there.
    """
    from p5rec.api.loading import load
    from p5rec.api.points import describe_points

    moves, words = _numbers(steps), dict(_word(each) for each in word or [])
    points = [item] if mean else item
    frame = describe_points(
        load(model), points, toward=toward, steps=moves, family=family, words=words
    )
    if as_json:
        print(frame.write_ndjson(), end="")
        return
    for point, step, text in frame.iter_rows():
        move = f"  {step:+g} {toward}" if toward else ""
        print(printable(f"{point}{move}: {text}"))


def _numbers(text: str) -> list[float]:
    try:
        return [float(each) for each in text.split(",")]
    except ValueError:
        raise UserError(
            f"--steps: expected numbers with commas between, got {text!r}; write --steps=-2,0,2"
        ) from None


def _word(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--word: expected FIELD=TEXT, got {text!r}; write attribute=genres")
    return name, value
