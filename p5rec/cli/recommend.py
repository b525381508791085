"""``p5rec recommend``: ranked lists, ratings or explanations from a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from p5rec.core.errors import UserError, fault

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from p5rec.core.types import Corpus
    from p5rec.models.checkpoint import Bundle
    from p5rec.recommend.config import DecodeConfig

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def recommend(
    model: Annotated[Path, typer.Option(help="A model's folder: RUN_FOLDER/models/METHOD.")],
    config: Annotated[Path, typer.Option(help="A recipe; its data section gives the histories.")],
    out: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="Where to write: .parquet, .jsonl or .csv; repeatable."),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="On top of the config: data.path=new.csv."),
    ] = None,
    what: Annotated[
        Literal["lists", "ratings", "explanations"], typer.Option(help="What to write.")
    ] = "lists",
    ids: Annotated[
        Path | None,
        typer.Option(help="Codes that extend the model's own to new items: `p5rec ids extend`."),
    ] = None,
    users: Annotated[
        Path | None,
        typer.Option(help="For lists: a table file with a column user; default: every user."),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="For ratings and explanations: a table file with columns user and item; the "
            "user need not have met the item."
        ),
    ] = None,
    k: Annotated[int, typer.Option(min=1, help="Items a list.")] = 10,
    beams: Annotated[
        int, typer.Option(min=1, help="Code prefixes kept in the search, k at least.")
    ] = 50,
    with_seen: Annotated[
        bool, typer.Option("--with-seen", help="Also list items that the user already has.")
    ] = False,
) -> None:
    """Rank items for users by their whole history, or rate or explain given pairs.

    Table files are CSV, TSV, Parquet or JSON lines. Lists have the columns user, rank (from 1),
    item, title, score (log-probability); ratings are in points of the data's scale.
    """
    if what == "lists" and pairs is not None:
        raise UserError(
            "expected --users FILE or neither beside --what lists, got --pairs; mend it"
        )
    if what != "lists" and (pairs is None or users is not None):
        got = "--users" if users else "none"
        raise UserError(f"expected --pairs FILE beside --what {what}, got {got}; name such a file")
    _check_formats(out)
    from p5rec.recommend.config import DecodeConfig
    from p5rec.recommend.lists import write_lists

    from .inputs import read_model, read_recipe

    _, corpus = read_recipe(config, overrides or [])
    decode = DecodeConfig(k=k, beams=max(beams, k))
    if what == "lists":
        rows = None if users is None else _read_users(users, corpus)
        bundle = read_model(model, corpus, decode.precision, ids)
        frame = _lists(bundle, corpus, decode, rows, not with_seen)
    else:
        asked = _read_pairs(pairs, corpus)
        bundle = read_model(model, corpus, decode.precision, ids)
        frame = _answers(bundle, corpus, decode, *asked, what)
    write_lists(frame, *out)
    for path in out:
        print(f"{len(frame)} rows: {path}")


def _check_formats(out: list[Path]) -> None:
    from p5rec.recommend.lists import FORMATS

    for path in out:
        if path.suffix not in FORMATS:
            got = repr(path.suffix) if path.suffix else "no ending"
            raise fault(path, " or ".join(FORMATS), got, "change the file's ending")


def _read_users(path: Path, corpus: Corpus) -> np.ndarray:
    import numpy as np

    from p5rec.data.known import known_rows, read_columns

    table = read_columns(path, ["user"])
    rows = known_rows(table["user"], corpus.user_ids, "user", path, table["row"])
    return rows[np.sort(np.unique(rows, return_index=True)[1])]


def _read_pairs(path: Path | None, corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    from p5rec.data.known import known_rows, read_columns

    assert path is not None, "checked when the options were"
    table = read_columns(path, ["user", "item"])
    users = known_rows(table["user"], corpus.user_ids, "user", path, table["row"])
    return users, known_rows(table["item"], corpus.catalog.ids, "item", path, table["row"])


def _lists(
    bundle: Bundle, corpus: Corpus, decode: DecodeConfig, users: np.ndarray | None, unseen: bool
) -> pl.DataFrame:
    from p5rec.data.split import histories_of
    from p5rec.recommend.generative import GenerativeRecommender
    from p5rec.recommend.lists import to_frame

    recommender = GenerativeRecommender(bundle, decode, "model", corpus.split.seed)
    histories = histories_of(corpus.interactions, users)
    lists = recommender.recommend(histories, decode.k, exclude_seen=unseen)
    return to_frame(lists, corpus.catalog, corpus.user_ids)


def _answers(
    bundle: Bundle,
    corpus: Corpus,
    decode: DecodeConfig,
    users: np.ndarray,
    items: np.ndarray,
    what: str,
) -> pl.DataFrame:
    import polars as pl

    from p5rec.recommend.pairs import explain_pairs, rate_pairs

    ask = rate_pairs if what == "ratings" else explain_pairs
    answers = ask(bundle, corpus, users, items, decode)
    ids, titles = corpus.catalog.ids, corpus.catalog.titles
    return pl.DataFrame(
        {
            "user": [corpus.user_ids[row] for row in users],
            "item": [ids[row] for row in items],
            "title": [titles[row] for row in items],
            what.removesuffix("s"): answers,
        }
    )
