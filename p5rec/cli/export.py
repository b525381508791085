"""``p5rec export``: writes a trained model as a plain language model."""

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
        Literal["float32", "bfloat16"], typer.Option(help="Data type of the weights.")
    ] = "float32",
    allow_download: Annotated[bool, ALLOW_DOWNLOAD] = False,
) -> None:
    """Write a trained model as a plain language model that transformers loads without p5rec.

    Adapters are merged, and the item tokens become token embeddings. This works for models with
    backbone.items: tokens; others have parts that a plain language model lacks.
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
    print(f"model   {out}: load it with transformers: from_pretrained({str(out)!r})")
    print(f"items   {out}/items.json: each item's id and its tokens")
