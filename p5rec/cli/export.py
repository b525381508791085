"""``p5rec export``: a trained model as a plain language model's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from .options import ALLOW_DOWNLOAD, MODEL

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help=MODEL)],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="A new folder.")],
    dtype: Annotated[
        Literal["float32", "bfloat16"], typer.Option(help="Of the weights.")
    ] = "float32",
    allow_download: Annotated[bool, ALLOW_DOWNLOAD] = False,
) -> None:
    """Write a trained model as a plain language model that transformers opens without p5rec.

    Adapters are merged and the items' tokens become rows of the embedding. Models that read items
    as tokens can be written so (backbone.items: tokens), others are more than a language model.
    """
    from p5rec.core.errors import input_error
    from p5rec.models.config import BUNDLE

    from .outputs import check_folder

    if not (model / BUNDLE).is_file():
        raise input_error(
            model, "a trained language model's folder", f"no {BUNDLE}", "check the path"
        )
    check_folder(out)
    from p5rec.models.export import export

    export(model, out, dtype, download=allow_download)
    print(f"model   {out}: transformers opens it by from_pretrained({str(out)!r})")
    print(f"items   {out}/items.json: each item's id and the tokens that name it")
