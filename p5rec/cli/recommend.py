"""``p5rec recommend``: ranked lists, ratings or explanations from a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from p5rec.core.errors import UserError, fault

from .inputs import ALLOW_DOWNLOAD

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import polars as pl

    from p5rec.core.types import Corpus
    from p5rec.data.config import DataConfig
    from p5rec.decode.allowed import Allowed
    from p5rec.models.checkpoint import Bundle
    from p5rec.recommend.config import DecodeConfig

    Answer = Callable[[np.ndarray], pl.DataFrame]

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
    where: Annotated[
        str | None,
        typer.Option(
            metavar="SQL",
            help='For lists: users for whom this holds: "events >= 20 AND mean_rating > 3".',
        ),
    ] = None,
    stock: Annotated[
        Path | None,
        typer.Option(help="List only items in this table file with a column item."),
    ] = None,
    items_where: Annotated[
        str | None,
        typer.Option(
            metavar="SQL",
            help="List only items whose record says so: \"array_contains(genres, 'Drama')\".",
        ),
    ] = None,
    only: Annotated[
        Path | None,
        typer.Option(help="Each user's own allow-list: a table file with columns user and item."),
    ] = None,
    never: Annotated[
        Path | None,
        typer.Option(help="Each user's own deny-list: a table file with columns user and item."),
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
    search: Annotated[
        Literal["auto", "beam", "exhaustive", "sample", "items"],
        typer.Option(
            help="beam; exhaustive scores every item; auto is exhaustive where that costs little; "
            "sample draws items as often as the model finds them likely; items scores whole items "
            "at once, where the model has an item head."
        ),
    ] = "auto",
    per_prefix: Annotated[
        int | None,
        typer.Option(min=1, help="Diversity: at most so many items with the same first code."),
    ] = None,
    with_seen: Annotated[
        bool, typer.Option("--with-seen", help="Also list items that the user already has.")
    ] = False,
    allow_download: Annotated[bool, ALLOW_DOWNLOAD] = False,
) -> None:
    """Rank items for users by their whole history, or rate or explain given pairs.

    Answers are kept part by part until all are there: after a kill the same command goes on. Under
    `accelerate launch` or `torchrun` each process answers its share.

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
    if users is not None and where is not None:
        raise UserError("expected --users or --where, got both; name one")
    if search == "items" and per_prefix is not None:
        raise UserError("expected --per-prefix or --search items, got both; name one")
    _check_formats(out)
    from p5rec.recommend.config import DecodeConfig
    from p5rec.recommend.parts import write_in_parts

    from .inputs import read_model, read_recipe

    read, corpus = read_recipe(config, overrides or [])
    decode = DecodeConfig(k=k, beams=max(beams, k), search=search, per_prefix=per_prefix)
    limits = {"stock": stock, "items_where": items_where, "only": only, "never": never}
    if what == "lists":
        asked = _users(users, where, corpus)
        allowed = _allowed(limits, asked, corpus, not with_seen)
        bundle = read_model(model, corpus, decode.precision, ids, download=allow_download)
        answer = _lists(bundle, corpus, decode, asked, not with_seen, allowed)
    else:
        asked, items = _read_pairs(pairs, corpus)
        bundle = read_model(model, corpus, decode.precision, ids, download=allow_download)
        answer = _answers(bundle, corpus, decode, asked, items, what)
    key = _key(
        model, ids, read.data, {"asked": users or pairs, "where": where, **limits},
        what=what, decode=decode.dump(), seen=with_seen,
    )  # fmt: skip
    rows = write_in_parts(answer, len(asked), out, key, unit=what.removesuffix("s"))
    if rows:
        for path in out:
            print(f"{rows} rows: {path}")


def _check_formats(out: list[Path]) -> None:
    from p5rec.recommend.lists import FORMATS

    for path in out:
        if path.suffix not in FORMATS:
            got = repr(path.suffix) if path.suffix else "no ending"
            raise fault(path, " or ".join(FORMATS), got, "change the file's ending")


def _users(path: Path | None, where: str | None, corpus: Corpus) -> np.ndarray:
    import numpy as np

    from p5rec.recommend.requests import users_in, users_where

    if where is not None:
        return users_where(where, corpus)
    return np.arange(len(corpus.user_ids)) if path is None else users_in(path, corpus)


def _allowed(
    limits: dict[str, Any], users: np.ndarray, corpus: Corpus, unseen: bool
) -> Allowed | None:
    """What each user may be given, seen items aside; None: everything."""
    from p5rec.decode.allowed import Allowed
    from p5rec.recommend.requests import check_some_left, items_in, items_where, pairs_in

    if not any(limits.values()):
        return None
    parts = []
    if limits["stock"]:
        parts.append(items_in(limits["stock"], corpus))
    if limits["items_where"]:
        parts.append(items_where(limits["items_where"], corpus))
    allowed = Allowed(
        only=pairs_in(limits["only"], users, corpus) if limits["only"] else None,
        never=pairs_in(limits["never"], users, corpus) if limits["never"] else None,
    )
    for mask in parts:
        allowed = allowed & Allowed(within=mask)
    check_some_left(allowed, users, corpus, exclude_seen=unseen)
    return allowed


def _read_pairs(path: Path | None, corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    from p5rec.data.known import known_rows, read_columns

    assert path is not None, "checked when the options were"
    table = read_columns(path, ["user", "item"])
    users = known_rows(table["user"], corpus.user_ids, "user", path, table["row"])
    return users, known_rows(table["item"], corpus.catalog.ids, "item", path, table["row"])


def _key(
    model: Path, ids: Path | None, data: DataConfig, asked: dict[str, Any], **settings: Any
) -> dict[str, Any]:
    """All that the answers depend on: what an interrupted run must have had to be gone on with."""
    from p5rec.core.artefacts import code_digest, file_sha256
    from p5rec.data.prepare import input_digests
    from p5rec.ids.files import MANIFEST as CODES
    from p5rec.models.checkpoint import MANIFEST

    return {
        "model": file_sha256(model / MANIFEST),
        "ids": file_sha256(ids / CODES) if ids else None,
        "data": {**data.dump(), "files": input_digests(data)},
        "asked": {
            name: file_sha256(value) if isinstance(value, Path) else value
            for name, value in asked.items()
        },
        "code": code_digest("core", "data", "prompting", "decode", "models", "recommend"),
        **settings,
    }


def _lists(
    bundle: Bundle,
    corpus: Corpus,
    decode: DecodeConfig,
    users: np.ndarray,
    unseen: bool,
    allowed: Allowed | None,
) -> Answer:
    """User numbers → their lists."""
    from p5rec.data.split import histories_of
    from p5rec.recommend.generative import GenerativeRecommender
    from p5rec.recommend.lists import to_frame

    recommender = GenerativeRecommender(bundle, decode, "model", corpus.split.seed)

    def answer(rows: np.ndarray) -> pl.DataFrame:
        lists = recommender.recommend(
            histories_of(corpus.interactions, users[rows]),
            decode.k,
            exclude_seen=unseen,
            allowed=allowed and allowed.take(rows),
        )
        return to_frame(lists, corpus.catalog, corpus.user_ids)

    return answer


def _answers(
    bundle: Bundle,
    corpus: Corpus,
    decode: DecodeConfig,
    users: np.ndarray,
    items: np.ndarray,
    what: str,
) -> Answer:
    """Pair numbers → what the model says of them."""
    import polars as pl

    from p5rec.recommend.pairs import check_asked, explain_pairs, rate_pairs

    check_asked(bundle, what)
    ask = rate_pairs if what == "ratings" else explain_pairs
    ids, titles = corpus.catalog.ids, corpus.catalog.titles

    def answer(rows: np.ndarray) -> pl.DataFrame:
        answers = ask(bundle, corpus, users[rows], items[rows], decode)
        return pl.DataFrame(
            {
                "user": [corpus.user_ids[row] for row in users[rows]],
                "item": [ids[row] for row in items[rows]],
                "title": [titles[row] for row in items[rows]],
                what.removesuffix("s"): answers,
            }
        )

    return answer
